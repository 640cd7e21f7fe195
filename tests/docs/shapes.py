"""Whether an answer looks as a page shows it: keys, types, lengths, and what names a problem."""

from collections.abc import Iterator
from typing import Any

MORE = "…"
EXACT = ("type", "title", "status", "name", "task", "default")
"""Members whose values are compared, not only their types."""


def differences(shown: Any, real: Any, path: str = "answer") -> list[str]:
    """Where a real answer is not as shown; `"…"` in a page stands for more of the same."""
    return list(_differences(shown, real, path))


def _differences(shown: Any, real: Any, path: str) -> Iterator[str]:
    match shown, real:
        case dict(), dict():
            left_out = MORE in shown
            if left_out or shown.keys() == real.keys():
                for key in shown.keys() - {MORE}:
                    yield from _member(shown[key], real.get(key), f"{path}.{key}", key)
            else:
                yield f"{path} has {sorted(real)}, shown are {sorted(shown)}"
        case list(), list():
            items = [item for item in shown if item != MORE]
            if len(items) != len(real) and not (MORE in shown and len(items) < len(real)):
                yield f"{path} has {len(real)} items, shown are {len(items)}"
            for index, (item, other) in enumerate(zip(items, real, strict=False)):
                yield from _differences(item, other, f"{path}[{index}]")
        case ((int() | float()), (int() | float())):
            pass
        case _:
            if type(shown) is not type(real):
                yield f"{path} is {real!r}, shown is {shown!r}"


def _member(shown: Any, real: Any, path: str, key: str) -> Iterator[str]:
    if key in EXACT and shown != real and not isinstance(shown, dict):
        yield f"{path} is {real!r}, shown is {shown!r}"
    else:
        yield from _differences(shown, real, path)
