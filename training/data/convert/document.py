"""A labelled set as the document of a COCO file; what does not fit is left out and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from service.inference.card import Skeleton
from service.inference.errors import InvalidData, PoseError
from service.inference.geometry import clip_box
from service.inference.types import Box, Floats, Size
from training.data.convert.boxes import box_around
from training.data.convert.labels import LabelledPerson, LabelledPicture, LabelledSet
from training.data.convert.picture_size import upright_size
from training.data.convert.skeletons import places_of, rearranged
from training.data.findings import Findings

_TOLERANCE_PX = 1.0
# A person covers a part of its box. CrowdPose's evaluation, `crowdposetools`, takes this one.
_AREA_OF_BOX = 0.53
_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class _Writer:
    """Turns people into annotations.

    Attributes:
        places: for each joint of the target its index in the set, or None.
        findings: where what was left out or changed is counted.
    """

    places: Sequence[int | None]
    findings: Findings

    def annotation(self, person: LabelledPerson, size: Size, place: str) -> dict[str, Any] | None:
        """A COCO annotation without ids, or None if the person cannot be kept."""
        joints = self._checked(person.joints, size, place)
        box = self._box(person.box, joints, size, place)
        if box is None:
            return None
        taken = rearranged(joints, self.places)
        count_taken = 0 if person.crowd else int((taken[:, 2] > 0).sum())
        if person.crowd:
            taken = np.zeros_like(taken)
            self.findings.add("note", "boxes around crowds or regions to ignore (`iscrowd`)", place)
        elif not count_taken:
            message = "people without joints: kept as boxes, from which a detector learns"
            self.findings.add("note", message, place)
        return {
            "category_id": 1,
            "iscrowd": int(person.crowd),
            "num_keypoints": count_taken,
            "keypoints": _numbers(taken.ravel()),
            "bbox": _numbers([box.x0, box.y0, box.width, box.height]),
            "area": round(_area(person, box), _DECIMALS),
        }

    def _box(self, stated: Box | None, joints: Floats, size: Size, place: str) -> Box | None:
        """The stated box, or one around the joints, as far as it lies in the picture."""
        box = box_around(joints[joints[:, 2] > 0, :2]) if stated is None else stated
        if box is None:
            message = "people left out: no box, and too few joints to draw one around them"
            self.findings.add("warning", message, place)
            return None
        inside = clip_box(box, size)
        if min(inside.width, inside.height) < 1:
            message = "people left out: less than a pixel of their box lies in the picture"
            self.findings.add("warning", message, place)
            return None
        if stated is not None and max(_differences(stated, inside)) > _TOLERANCE_PX:
            self.findings.add("note", "boxes cut off where their picture ends", place)
        return inside

    def _checked(self, joints: Floats, size: Size, place: str) -> Floats:
        """The joints with those of no use as unlabelled zeros."""
        low, high = -_TOLERANCE_PX, np.array([size.width, size.height]) + _TOLERANCE_PX
        inside = ((joints[:, :2] >= low) & (joints[:, :2] <= high)).all(axis=1)
        labelled = joints[:, 2] > 0
        outside, placed = labelled & ~inside, ~labelled & (joints[:, :2] != 0).any(axis=1)
        if outside.any():
            message = "joints outside their picture: taken as not labelled"
            self.findings.add("warning", message, place, count=int(outside.sum()))
        if placed.any():
            message = "joints with a place but marked as absent: taken as not labelled"
            self.findings.add("note", message, place, count=int(placed.sum()))
        return joints * (labelled & inside)[:, None]


def coco_document(labels: LabelledSet, skeleton: Skeleton, findings: Findings) -> dict[str, Any]:
    """The set as COCO: `images`, `annotations` and one category with all that a skeleton has.

    Joints that the set does not label are written as v = 0, unlabelled, so that sets with different
    joints can be used together.

    Args:
        labels: the set.
        skeleton: to write; joints are matched by name.
        findings: gets what was left out or changed.

    Raises:
        InvalidData: no picture can be read.
    """
    writer = _Writer(places_of(skeleton, labels.skeleton), findings)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    annotation_ids = count(1)
    for picture in labels.pictures:
        size = _size(labels, picture, findings)
        if size is None:
            continue
        image_id = len(images) + 1
        entry = {"id": image_id, "file_name": picture.file_name}
        images.append(entry | {"width": size.width, "height": size.height})
        if not picture.people:
            message = "pictures without people: a detector learns that nobody is there"
            findings.add("note", message, picture.file_name)
        for number, person in enumerate(picture.people, 1):
            scaled = _in_pixels(person, size) if labels.in_fractions else person
            place = f"{picture.file_name}, person {number}"
            annotation = writer.annotation(scaled, size, place)
            if annotation is not None:
                annotations.append({"id": next(annotation_ids), "image_id": image_id} | annotation)
    if not images:
        raise InvalidData(f"images: none of {len(labels.pictures)} pictures is in {labels.images}")
    return {"images": images, "annotations": annotations, "categories": [category(skeleton)]}


def category(skeleton: Skeleton) -> Mapping[str, Any]:
    """COCO's category of a skeleton: edges count from 1, as COCO's do, flip pairs from 0.

    No pairs are left unsaid, so that `check-data` asks whether there are none.
    """
    pairs = {"flip_pairs": [list(pair) for pair in skeleton.flip_pairs]}
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        "sigmas": list(skeleton.sigmas),
    } | (pairs if skeleton.flip_pairs else {})


def _size(labels: LabelledSet, picture: LabelledPicture, findings: Findings) -> Size | None:
    """Of the file; None, counted, if it cannot be used."""
    path = labels.images / picture.file_name
    detail = ""
    try:
        size = upright_size(path)
    except FileNotFoundError:
        problem = "pictures left out: no such file"
    except (OSError, ValueError, PoseError) as error:
        problem, detail = "pictures left out: they cannot be read", f": {error}"
    else:
        if picture.size is None or picture.size == size:
            return size
        problem = "pictures left out: another size than their labels state"
        stated = f"{picture.size.width} x {picture.size.height}"
        detail = f": {size.width} x {size.height}, labelled as {stated}"
    findings.add("warning", problem, f"{picture.file_name}{detail}")
    if picture.people:
        message = "people left out with their pictures"
        findings.add("warning", message, picture.file_name, count=len(picture.people))
    return None


def _in_pixels(person: LabelledPerson, size: Size) -> LabelledPerson:
    joints = person.joints * (size.width, size.height, 1)
    box = person.box
    if box is not None:
        box = Box(
            box.x0 * size.width, box.y0 * size.height, box.x1 * size.width, box.y1 * size.height
        )
    return LabelledPerson(joints, box, person.area, person.crowd)


def _differences(one: Box, other: Box) -> tuple[float, ...]:
    return (
        abs(one.x0 - other.x0),
        abs(one.y0 - other.y0),
        abs(one.x1 - other.x1),
        abs(one.y1 - other.y1),
    )


def _area(person: LabelledPerson, box: Box) -> float:
    if person.area is not None and person.area > 0:
        return person.area
    return _AREA_OF_BOX * box.width * box.height


def _numbers(values: Floats | Sequence[float]) -> list[float | int]:
    """Rounded; whole numbers as such, as COCO writes them."""
    rounded = np.round(np.asarray(values, np.float64), _DECIMALS).tolist()
    return [int(value) if value.is_integer() else value for value in rounded]
