"""Reads the records of COCO-like JSON files, each value checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Box, Floats, Size
from training.data.convert.labels import LabelledPerson, LabelledPicture
from training.data.findings import (
    Entry,
    Findings,
    Id,
    as_entries,
    as_id,
    as_list,
    as_number,
    as_numbers,
)

_VISIBLE = 2


def section(path: Path, document: Entry, name: str) -> list[Entry]:
    """A list of objects.

    Raises:
        InvalidData: the file has no such list.
    """
    entries = as_entries(document.get(name))
    if entries is None:
        raise InvalidData(f"{path}: `{name}` is missing or not a list of objects")
    return entries


@dataclass(frozen=True, slots=True)
class CocoRecords:
    """How a format writes COCO's records.

    Attributes:
        joints: K.
        findings: where what was left out is counted.
        categories: ids of those that count as people; None takes everyone.
        seen_is_one: v is 1 for a visible joint, and 0 for all others.
    """

    joints: int
    findings: Findings
    categories: frozenset[Id] | None = None
    seen_is_one: bool = False

    def add(self, pictures: dict[str, LabelledPicture], path: Path, document: Entry) -> None:
        """Adds the pictures of a file, with their people, to those known by name.

        Raises:
            InvalidData: the file contradicts itself, or repeats a picture.
        """
        people = self._people(path, document)
        known: set[Id] = set()
        for number, image in enumerate(section(path, document, "images")):
            identity, name = as_id(image.get("id")), image.get("file_name")
            if identity is None or not isinstance(name, str) or not name:
                raise InvalidData(f"{path}: image number {number} has no `id` or no `file_name`")
            known.add(identity)
            if image.get("is_labeled") is False:
                self.findings.add("note", "pictures left out: frames without labels", name)
                continue
            if name in pictures:
                raise InvalidData(f"{path}: the picture {name} stands in the labels twice")
            regions = self._ignored_regions(image, f"{path}: image {name}")
            everyone = (*people.get(identity, ()), *regions)
            pictures[name] = LabelledPicture(name, everyone, _stated_size(image))
        lost = sorted(map(str, set(people) - known))
        if lost:
            raise InvalidData(f"{path}: `image_id` {lost[0]} is not among the images")

    def _people(self, path: Path, document: Entry) -> Mapping[Id, list[LabelledPerson]]:
        """The people by the id of their picture."""
        people: dict[Id, list[LabelledPerson]] = {}
        for number, entry in enumerate(section(path, document, "annotations")):
            place = f"{path}: annotation {entry.get('id', f'number {number}')}"
            image = as_id(entry.get("image_id"))
            if image is None:
                raise InvalidData(f"{place} has no `image_id`")
            if (
                self.categories is not None
                and as_id(entry.get("category_id")) not in self.categories
            ):
                message = "annotations left out: of another category"
                self.findings.add("warning", message, f"{place}: {entry.get('category_id')}")
                continue
            person = LabelledPerson(
                self._joints(entry, place),
                _box(entry, place),
                as_number(entry.get("area")),
                crowd=entry.get("iscrowd") == 1,
            )
            people.setdefault(image, []).append(person)
        return people

    def _joints(self, entry: Entry, place: str) -> Floats:
        if not entry.get("keypoints"):
            return np.zeros((self.joints, 3))
        numbers = as_numbers(entry["keypoints"])
        if numbers is None or len(numbers) != 3 * self.joints:
            found = "other values" if numbers is None else f"{len(numbers)} numbers"
            expected = f"x, y, v for {self.joints} joints"
            raise InvalidData(f"{place}: `keypoints` has {found}; expected {expected}")
        joints = np.array(numbers, np.float64).reshape(self.joints, 3)
        if not np.isin(joints[:, 2], (0, 1, _VISIBLE)).all():
            raise InvalidData(f"{place}: a keypoint's v is not 0, 1 or 2")
        if self.seen_is_one:
            joints[joints[:, 2] > 0, 2] = _VISIBLE
        return joints

    def _ignored_regions(self, image: Entry, place: str) -> list[LabelledPerson]:
        """PoseTrack's polygons around people whom nobody labelled."""
        xs = as_list(image.get("ignore_regions_x")) or []
        ys = as_list(image.get("ignore_regions_y")) or []
        # A single region may stand without the list around it.
        is_single = bool(xs) and not isinstance(xs[0], list)
        regions: list[LabelledPerson] = []
        if len(xs) != len(ys):
            raise InvalidData(f"{place} has {len(xs)} regions to ignore by x and {len(ys)} by y")
        for columns, rows in [(xs, ys)] if is_single else zip(xs, ys, strict=True):
            x, y = as_numbers(columns), as_numbers(rows)
            if not x or not y or len(x) != len(y):
                raise InvalidData(f"{place} has a region to ignore that is no polygon")
            box = Box(min(x), min(y), max(x), max(y))
            regions.append(LabelledPerson(np.zeros((self.joints, 3)), box, crowd=True))
        return regions


def _box(entry: Entry, place: str) -> Box | None:
    if not entry.get("bbox"):
        return None
    numbers = as_numbers(entry["bbox"])
    if numbers is None or len(numbers) != 4:
        raise InvalidData(f"{place}: `bbox` is not four numbers: x, y, width, height")
    return Box.from_xywh(*numbers)


def _stated_size(image: Entry) -> Size | None:
    width, height = as_number(image.get("width")), as_number(image.get("height"))
    return Size(height=round(height), width=round(width)) if width and height else None
