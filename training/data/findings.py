"""What a check found, in words, and the narrow readings of JSON values that checks need."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
Entry = Mapping[str, object]
"""A JSON object."""
Id = int | str

_MAX_EXAMPLES = 5
_MAX_PLACES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found.

    Attributes:
        text: in words.
        pictures: files that show it.
        person: number of the annotation in the file.
    """

    text: str
    pictures: tuple[Path, ...] = ()
    person: int | None = None

    def with_detail(self, detail: str) -> "Place":
        """The same place, and what is there."""
        return replace(self, text=f"{self.text}: {detail}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of remark on a data set.

    Attributes:
        severity: `error` (training or measuring would go wrong), `warning` (probably not meant) or
            `note` (worth knowing).
        message: what is wrong and what was expected.
        count: how often it was found.
        places: the first dozen that have one.
    """

    severity: Severity
    message: str
    count: int
    places: tuple[Place, ...]

    @property
    def examples(self) -> tuple[str, ...]:
        """The first few places in words."""
        return tuple(place.text for place in self.places[:_MAX_EXAMPLES])


class Findings:
    """Collects remarks; those with the same severity and message are counted as one finding."""

    def __init__(self) -> None:
        self._places: dict[tuple[Severity, str], list[Place]] = {}
        self._counts: dict[tuple[Severity, str], int] = {}

    def add(
        self, severity: Severity, message: str, place: Place | str = "", *, count: int = 1
    ) -> None:
        key = (severity, message)
        self._counts[key] = self._counts.get(key, 0) + count
        places = self._places.setdefault(key, [])
        if place and len(places) < _MAX_PLACES:
            places.append(Place(place) if isinstance(place, str) else place)

    def has_errors(self) -> bool:
        return any(severity == "error" for severity, _ in self._counts)

    def listed(self) -> list[Finding]:
        """Errors first, in the order of their first appearance."""
        return [
            Finding(severity, message, count, tuple(self._places[severity, message]))
            for wanted in SEVERITIES
            for (severity, message), count in self._counts.items()
            if severity == wanted
        ]


def as_entries(value: object) -> list[Entry] | None:
    """A list of JSON objects, or None."""
    values = as_list(value)
    if values is None or not all(isinstance(item, dict) for item in values):
        return None
    return cast("list[Entry]", values)


def as_list(value: object) -> list[object] | None:
    """A JSON list, or None."""
    return cast("list[object]", value) if isinstance(value, list) else None


def as_id(value: object) -> Id | None:
    """A number or text that can name a record, or None."""
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def as_number(value: object) -> float | None:
    """A finite number, or None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_numbers(value: object) -> list[float] | None:
    """A list of finite numbers, or None."""
    numbers = [as_number(item) for item in as_list(value) or [None]]
    return None if None in numbers else cast("list[float]", numbers)
