"""The content of one file of Labelme."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from service.inference.errors import InvalidData
from service.inference.types import Box, Size
from training.data.convert.files import read_object
from training.data.findings import Entry, Findings, as_entries, as_list, as_number, as_numbers

_HIDDEN_FLAGS = ("occluded", "hidden", "invisible")


@dataclass(frozen=True, slots=True)
class Point:
    """A joint in pixels; `group` is None where it has no `group_id`."""

    name: str
    x: float
    y: float
    hidden: bool
    group: float | None


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle with its label; `group` as of a point."""

    label: str
    box: Box
    group: float | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """What one file holds.

    Attributes:
        path: of the file.
        picture: as the file names it, from its own folder, with forward slashes.
        size: of the picture when it was labelled; None where it is not stated.
        points: joints.
        boxes: rectangles.
    """

    path: Path
    picture: str
    size: Size | None
    points: Sequence[Point]
    boxes: Sequence[Rectangle]


def read_drawing(path: Path, findings: Findings) -> Drawing | None:
    """Reads a file; None, counted, if it is none of Labelme's.

    A flag of a point that is named occluded, hidden or invisible says that the joint is hidden.

    Raises:
        InvalidData: the file cannot be read, or a shape in it is malformed.
    """
    content = read_object(path)
    shapes, picture = as_entries(content.get("shapes")), content.get("imagePath")
    if shapes is None or not isinstance(picture, str):
        message = "files left out: without `shapes` and `imagePath` they are not Labelme's"
        findings.add("warning", message, str(path))
        return None
    points: list[Point] = []
    boxes: list[Rectangle] = []
    for number, shape in enumerate(shapes):
        label, kind = str(shape.get("label")).strip(), shape.get("shape_type")
        place = f"{path}: shape {number} ({label})"
        corners = _corners(shape, place)
        group = as_number(shape.get("group_id"))
        if kind == "point":
            (x, y), *_ = corners
            points.append(Point(label, x, y, _is_hidden(shape), group))
        elif kind == "rectangle":
            xs, ys = zip(*corners, strict=True)
            boxes.append(Rectangle(label, Box(min(xs), min(ys), max(xs), max(ys)), group))
        else:
            message = "shapes left out: neither points nor rectangles"
            findings.add("warning", message, f"{place}: {kind}")
    # Labelme on Windows writes backslashes.
    return Drawing(path, picture.replace("\\", "/"), _size(content), points, boxes)


def _corners(shape: Entry, place: str) -> list[list[float]]:
    corners = [as_numbers(corner) for corner in as_list(shape.get("points")) or []]
    if not corners or any(corner is None or len(corner) != 2 for corner in corners):
        raise InvalidData(f"{place}: points is {shape.get('points')}; expected pairs of numbers")
    return cast("list[list[float]]", corners)


def _is_hidden(shape: Entry) -> bool:
    flags = shape.get("flags")
    if not isinstance(flags, dict):
        return False
    return any(
        on is True and str(name).lower() in _HIDDEN_FLAGS
        for name, on in cast("Entry", flags).items()
    )


def _size(content: Entry) -> Size | None:
    width, height = as_number(content.get("imageWidth")), as_number(content.get("imageHeight"))
    return Size(height=round(height), width=round(width)) if width and height else None
