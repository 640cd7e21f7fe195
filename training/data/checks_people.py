"""Checks of a COCO file's annotations: boxes, joints and their counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.inference.card import Skeleton
from service.inference.types import Box, Floats, Size
from training.data.checks_pictures import CheckedPicture
from training.data.findings import Entry, Findings, Id, Place, as_id, as_number, as_numbers

Flags = npt.NDArray[np.bool_]
_TOLERANCE_PX = 1.0
_FAR_FROM_BOX = 0.5


@dataclass(frozen=True, slots=True)
class CheckedPerson:
    """An annotation that can be read.

    Attributes:
        place: in the file.
        image: id of its picture.
        box: in picture pixels, if it is one.
        joints: `[K, 3]`: x, y in picture pixels, visibility; None without labelled joints.
        crowd: an unknown number of people.
    """

    place: Place
    image: Id
    box: Box | None
    joints: Floats | None
    crowd: bool


def check_people(
    annotations: Sequence[Entry],
    pictures: Mapping[Id, CheckedPicture],
    categories: Sequence[Entry],
    skeleton: Skeleton | None,
    findings: Findings,
) -> list[CheckedPerson]:
    """Checks every annotation; those on known pictures are given back."""
    category = categories[0].get("id") if categories else None
    seen: set[Id] = set()
    people: list[CheckedPerson] = []
    for number, entry in enumerate(annotations):
        image = as_id(entry.get("image_id"))
        picture = None if image is None else pictures.get(image)
        place = _place(entry, number, picture)
        _check_id(entry, seen, place, findings)
        if entry.get("category_id") != category:
            message = (
                "an annotation is not of the first category: it counts as a person all the same"
            )
            findings.add(
                "warning", message, place.with_detail(f"category_id {entry.get('category_id')}")
            )
        if image is None or picture is None:
            findings.add("error", "an annotation's `image_id` is not among the images", place)
            continue
        box = _check_box(entry, picture.size, place, findings)
        joints = _check_joints(entry, skeleton, place, findings)
        if joints is not None:
            _check_area(entry, place, findings)
            _check_places(joints, box, picture.size, skeleton, place, findings)
        crowd = entry.get("iscrowd") == 1
        people.append(CheckedPerson(place, image, box, joints, crowd=crowd))
    return people


def _place(entry: Entry, number: int, picture: CheckedPicture | None) -> Place:
    text = f"annotation {entry.get('id', f'number {number}')} (image {entry.get('image_id')})"
    return Place(text, () if picture is None else (picture.path,), number)


def _check_id(entry: Entry, seen: set[Id], place: Place, findings: Findings) -> None:
    identity = as_id(entry.get("id"))
    if identity is None:
        findings.add("warning", "an annotation has no `id`", place)
    elif identity in seen:
        findings.add("error", "two annotations have the same id", place)
    else:
        seen.add(identity)


def _check_box(entry: Entry, size: Size | None, place: Place, findings: Findings) -> Box | None:
    numbers = as_numbers(entry.get("bbox"))
    if numbers is None or len(numbers) != 4:
        findings.add("error", "`bbox` is not four numbers: x, y, width, height", place)
        return None
    x, y, width, height = numbers
    box, text = Box.from_xywh(x, y, width, height), place.with_detail(str(numbers))
    if min(width, height) < 1:
        findings.add("warning", "a box is less than a pixel wide or high and is left out", text)
        return None
    if size is None:
        return box
    beyond = max(-box.x0, -box.y0, box.x1 - size.width, box.y1 - size.height)
    if box.x1 <= 0 or box.y1 <= 0 or box.x0 >= size.width or box.y0 >= size.height:
        findings.add("error", "a box lies outside its picture", text)
    elif beyond > _TOLERANCE_PX:
        findings.add("warning", "a box reaches beyond its picture", text)
    return box


def _check_area(entry: Entry, place: Place, findings: Findings) -> None:
    area = as_number(entry.get("area"))
    if area is None or area <= 0:
        message = (
            "a person with joints has no `area` above 0, by which the evaluation scales errors"
        )
        findings.add("error", message, place)


def _check_joints(
    entry: Entry, skeleton: Skeleton | None, place: Place, findings: Findings
) -> Floats | None:
    """The joints `[K, 3]`, if there are any that are labelled and can be read."""
    stated = as_number(entry.get("num_keypoints", 0))
    if not entry.get("keypoints"):
        if stated:
            findings.add("error", "`num_keypoints` is above 0 but there are no `keypoints`", place)
        return None
    numbers = as_numbers(entry["keypoints"])
    if numbers is None or len(numbers) % 3:
        findings.add("error", "`keypoints` is not a list of numbers, three for each joint", place)
        return None
    if skeleton is not None and len(numbers) != 3 * len(skeleton.names):
        expected = f"{3 * len(skeleton.names)} (three for each of {len(skeleton.names)} names)"
        message = f"`keypoints` has the wrong length, expected {expected} numbers"
        findings.add("error", message, place.with_detail(f"{len(numbers)} numbers"))
        return None
    joints = np.array(numbers, np.float64).reshape(-1, 3)
    labelled = int((joints[:, 2] > 0).sum())
    if "num_keypoints" not in entry and labelled:
        message = "`num_keypoints` is missing, so the person counts as one without labels"
        findings.add("error", message, place)
    elif stated != labelled:
        message = "`num_keypoints` is not the number of joints with v above 0"
        numbers_of = f"{entry.get('num_keypoints')} stated, {labelled} labelled"
        findings.add("error", message, place.with_detail(numbers_of))
    return joints if labelled else None


def _check_places(
    joints: Floats,
    box: Box | None,
    size: Size | None,
    skeleton: Skeleton | None,
    place: Place,
    findings: Findings,
) -> None:
    xy, seen = joints[:, :2], joints[:, 2] > 0
    zero = (xy == 0).all(axis=1)
    if not np.isin(joints[:, 2], (0, 1, 2)).all():
        findings.add("error", "a joint's v is not 0, 1 or 2", place)
    if (zero & seen).sum() == seen.sum():
        findings.add("error", "all labelled joints of a person lie at (0, 0)", place)
        return

    def report(wrong: Flags, message: str) -> None:
        if wrong.any():
            findings.add("warning", message, place.with_detail(_listed(wrong, joints, skeleton)))

    report(zero & seen, "a labelled joint lies at (0, 0): v should be 0 where there is no label")
    report(~zero & ~seen, "a joint has a place but v = 0: it counts as not labelled")
    if size is not None:
        limits = np.array([size.width, size.height])
        outside = ((xy < -_TOLERANCE_PX) | (xy > limits + _TOLERANCE_PX)).any(axis=1)
        report(outside & seen, "a labelled joint lies outside its picture")
    if box is not None:
        low, high = np.array([box.x0, box.y0]), np.array([box.x1, box.y1])
        beyond = np.maximum(low - xy, xy - high) / (high - low)
        far = beyond.max(axis=1) > _FAR_FROM_BOX
        report(far & seen, "a labelled joint lies more than half a box away from its person's box")


def _listed(wrong: Flags, joints: Floats, skeleton: Skeleton | None) -> str:
    names = skeleton.names if skeleton else tuple(f"joint {i}" for i in range(len(joints)))
    shown = [
        f"{names[i]} ({joints[i, 0]:g}, {joints[i, 1]:g})"
        for i in np.flatnonzero(wrong)[:3].tolist()
    ]
    return ", ".join(shown)
