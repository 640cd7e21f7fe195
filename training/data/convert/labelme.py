"""Labelme: one JSON file per picture, its points and rectangles joined by `group_id`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from service.inference.card import Skeleton
from service.inference.errors import InvalidData, InvalidInput
from service.inference.types import Box
from training.data.convert.files import json_files, shortened
from training.data.convert.labelme_file import Drawing, Point, read_drawing
from training.data.convert.labels import LabelledPerson, LabelledPicture, LabelledSet, Source
from training.data.convert.skeletons import canonical, named_skeleton
from training.data.findings import Findings
from training.skeletons import COCO


def read_labelme(source: Source, findings: Findings) -> LabelledSet:
    """Reads a folder of Labelme's files, or one file.

    A point is a joint, named by its label; a rectangle is a person's box. Those with the same
    `group_id` are one person. Points without one belong to the only person of their picture, or to
    the only rectangle around them. Pixels are counted as here: (0, 0) is the picture's corner.

    Joints have the order of `keypoint_names`; without it COCO's, if all are COCO's, or the
    alphabet's.

    Raises:
        InvalidData: a file cannot be read, or a person has two joints of a name.
        InvalidInput: a label is not among `keypoint_names`, or the category must be named.

    Source: Labelme's README and `label_file.py`.
    """
    files = json_files(source.path)
    drawings = [drawing for path in files if (drawing := read_drawing(path, findings)) is not None]
    _check_categories(drawings, source)
    skeleton = _skeleton(drawings, source)
    folder = source.path if source.path.is_dir() else source.path.parent
    root = folder if source.images is None else source.images
    pictures = [
        LabelledPicture(
            _picture_name(drawing, root),
            tuple(_people(drawing, source, skeleton, findings)),
            drawing.size,
        )
        for drawing in drawings
    ]
    return LabelledSet(skeleton, shortened(root), pictures)


def _check_categories(drawings: Sequence[Drawing], source: Source) -> None:
    labels = sorted({box.label for drawing in drawings for box in drawing.boxes})
    shown = ", ".join(labels) or "none"
    for wanted in source.categories:
        if wanted not in labels:
            raise InvalidInput(
                f"category: {source.path} has no rectangles {wanted!r}; it has {shown}"
            )
    if len(labels) > 1 and not source.categories:
        raise InvalidInput(
            f"category: {source.path} has rectangles with several labels ({shown}); "
            "name those around people with --category NAME"
        )


def _skeleton(drawings: Sequence[Drawing], source: Source) -> Skeleton:
    labels = sorted({point.name for drawing in drawings for point in drawing.points})
    if not labels:
        raise InvalidData(f"{source.path} has no points in it")
    if source.keypoint_names:
        unknown = sorted(set(labels) - set(source.keypoint_names))
        if unknown:
            raise InvalidInput(
                f"keypoint_names: {source.path} has points labelled {unknown[0]!r}; "
                f"expected one of {', '.join(source.keypoint_names)}"
            )
        return named_skeleton(source.keypoint_names)
    order = {name: index for index, name in enumerate(COCO.names)}
    if all(canonical(label) in order for label in labels):
        labels.sort(key=lambda label: order[canonical(label)])
    return named_skeleton(labels)


def _picture_name(drawing: Drawing, root: Path) -> str:
    """Of the file that the drawing names, or of one with that name beside it or in the root."""
    beside = drawing.path.parent
    stated = beside / drawing.picture
    likely = (stated, root / stated.name, beside / stated.name)
    found = next((path for path in likely if path.is_file()), stated)
    return Path(os.path.relpath(found, root)).as_posix()


@dataclass(slots=True)
class _Group:
    """One person's shapes."""

    box: Box | None = None
    points: list[Point] = field(default_factory=list[Point])


def _people(
    drawing: Drawing, source: Source, skeleton: Skeleton, findings: Findings
) -> Iterator[LabelledPerson]:
    groups, others = _boxed_groups(drawing, source)
    for point in drawing.points:
        if point.group in others:
            message = "points left out: their rectangle is of another category"
            findings.add("warning", message, f"{drawing.path}: {point.name}")
        elif point.group is not None:
            groups.setdefault(point.group, _Group()).points.append(point)
    for point in drawing.points:
        if point.group is None:
            group = _only_group(point, groups)
            if group is None:
                message = "points left out: no group_id, and not in exactly one rectangle"
                findings.add("warning", message, f"{drawing.path}: {point.name}")
            else:
                group.points.append(point)
    places = {name: index for index, name in enumerate(skeleton.names)}
    for group in groups.values():
        yield _person(group, places, drawing.path)


def _boxed_groups(
    drawing: Drawing, source: Source
) -> tuple[dict[object, _Group], set[float | None]]:
    """The people with a rectangle, and the group ids of what is no person."""
    groups: dict[object, _Group] = {}
    others: set[float | None] = set()
    for number, box in enumerate(drawing.boxes):
        if source.categories and box.label not in source.categories:
            others.add(box.group)
            continue
        key = ("rectangle", number) if box.group is None else box.group
        if key in groups:
            raise InvalidData(f"{drawing.path}: group {box.group} has two rectangles")
        groups[key] = _Group(box.box)
    return groups, others - {None}


def _only_group(point: Point, groups: dict[object, _Group]) -> _Group | None:
    """The group that a point without a group can only belong to."""
    if not groups:
        groups[None] = _Group()
    if len(groups) == 1:
        return next(iter(groups.values()))
    around = [group for group in groups.values() if group.box and _holds(group.box, point)]
    return around[0] if len(around) == 1 else None


def _holds(box: Box, point: Point) -> bool:
    return box.x0 <= point.x <= box.x1 and box.y0 <= point.y <= box.y1


def _person(group: _Group, places: Mapping[str, int], path: Path) -> LabelledPerson:
    joints = np.zeros((len(places), 3))
    for point in group.points:
        place = places[point.name]
        if joints[place, 2]:
            raise InvalidData(
                f"{path}: a person has two points {point.name}; give each person its own group_id"
            )
        joints[place] = point.x, point.y, 1 if point.hidden else 2
    return LabelledPerson(joints, group.box)
