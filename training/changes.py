"""How a run's configuration differs from its recipe."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from training.config import TrainConfig
from training.recipes import recipes

_SET_ELSEWHERE = ("recipe", "data")
_ARCHITECTURE = ("input", "crop_padding", "backbone", "neck", "head", "codec")
_OF_TRAINING = ("frozen", "frozen_batch_norm", "batch_norm_momentum")
_CHOICES = ("kind", "name")


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a configuration.

    Attributes:
        name: nested fields as `a.b`.
        value: in the run.
        usual: the recipe's; None if the recipe is not known here or has no such field.
        changed: whether the run differs from its recipe; data is nobody's default.
    """

    name: str
    value: JsonValue
    usual: JsonValue
    changed: bool


def settings_of(config: Mapping[str, JsonValue], recipe: str) -> list[Setting]:
    """All fields but the data sets, in their order; nothing has changed in an unknown recipe."""
    known = recipes()
    start = dict(leaves(known[recipe]().model_dump(mode="json"))) if recipe in known else None
    return [
        Setting(
            name=name,
            value=value,
            usual=None if start is None else start.get(name),
            changed=start is not None and start.get(name) != value,
        )
        for name, value in leaves(config)
        if name.partition(".")[0] not in _SET_ELSEWHERE
    ]


def leaves(fields: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Nested fields as `a.b` and their values; a list counts as one value."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def changed_flags(config: Mapping[str, JsonValue], recipe: str) -> Iterator[str]:
    """Flags of `train` for what differs from the recipe; none if the recipe is not known here.

    Args:
        config: or a part of it.
        recipe: that it started from.
    """
    known = recipes()
    if recipe not in known:
        return
    start = known[recipe]().model_dump(mode="json")
    for part, fields in config.items():
        if part in _SET_ELSEWHERE:
            continue
        if fields is None and isinstance(start.get(part), dict):
            yield from (f"--{part}", "none")
        yield from _flags({part: fields}, {part: _same_kind(fields, start.get(part))})


def architecture_flags(config: TrainConfig) -> list[str]:
    """Flags of `train` with which the recipe gives this network, and answers of the same meaning.

    None if the recipe is not known here.
    """
    parts = config.model_dump(mode="json", include=set(_ARCHITECTURE))
    for name in _OF_TRAINING:
        del parts["backbone"][name]
    return list(changed_flags(parts, config.recipe))


def _same_kind(fields: JsonValue, start: JsonValue) -> JsonValue:
    """What a part starts from: a part of another kind keeps nothing of the recipe's."""
    if not (isinstance(fields, dict) and isinstance(start, dict)):
        return start
    return start if all(fields.get(key) == start.get(key) for key in _CHOICES) else {}


def _flags(fields: Mapping[str, JsonValue], start: Mapping[str, JsonValue]) -> Iterator[str]:
    usual = dict(leaves(start))
    for name, value in leaves(fields):
        if value is None or usual.get(name) == value:
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            yield f"--{flag}"
            yield value if isinstance(value, str) else json.dumps(value)
