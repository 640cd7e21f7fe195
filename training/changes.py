"""How a run's configuration differs from its recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from training.recipes import recipes

_SET_ELSEWHERE = ("recipe", "data")


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
