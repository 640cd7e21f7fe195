"""A configuration as TOML that `--config` reads back."""

import json
from collections.abc import Mapping
from typing import Any

from training.config import TrainConfig

Table = Mapping[str, Any]


def to_toml(config: TrainConfig) -> str:
    """All fields of a configuration; those that are None by default are left out if they are."""
    values = config.model_dump(mode="json")
    # TOML has no word for nothing.
    values["neck"] = "none" if values["neck"] is None else values["neck"]
    return "\n".join(_table(values, ())) + "\n"


def _table(table: Table, path: tuple[str, ...]) -> list[str]:
    """Plain values come first, for a line belongs to the table named last."""
    plain = {name: value for name, value in table.items() if not _is_table(value)}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items() if value is not None]
    for name, value in table.items():
        if name in plain:
            continue
        inner = (*path, name)
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(inner)}]", *_table(value, inner)]  # pyright: ignore[reportUnknownArgumentType]
        else:
            for one in value:
                lines += ["", f"[[{'.'.join(inner)}]]", *_table(one, inner)]
    return lines


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list) and any(isinstance(one, Mapping) for one in value)  # pyright: ignore[reportUnknownVariableType]


def _value(value: object) -> str:
    # JSON writes text, numbers, truth and lists of them as TOML does.
    return json.dumps(value, ensure_ascii=False)
