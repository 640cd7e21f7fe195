"""MPII Human Pose: the official .mat file, and the JSON files of SimpleBaseline and HRNet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Box, Floats
from training.data.convert import skeletons
from training.data.convert.boxes import box_around
from training.data.convert.files import find_images, read_json
from training.data.convert.labels import LabelledPerson, LabelledPicture, LabelledSet, Source
from training.data.convert.matlab import as_items, field, number, read_variable
from training.data.findings import Entry, Findings, as_entries, as_list, as_numbers

_JOINTS = 16
# MATLAB counts pixels from 1, COCO from 0; HRNet's loader says so of its JSON files too.
_FIRST_PIXEL = 1.0


def read_mpii(source: Source, findings: Findings) -> LabelledSet:
    """Reads `mpii_human_pose_v1_u12_1.mat`, or a JSON list of `image`, `joints`, `joints_vis`.

    A joint that the .mat file marks as not visible has a place: it is hidden. The JSON files mark
    joints without a label in the same way, so there it is not labelled. The head box of the .mat
    file is part of a person's box.

    Raises:
        InvalidData: the file cannot be read or is of another format.

    Source: Andriluka et al. 2014, the README of the annotations; Xiao et al. 2018,
        `lib/dataset/mpii.py`.
    """
    if source.path.suffix == ".mat":
        pictures = _mat_pictures(source.path, findings)
    else:
        pictures = _json_pictures(source.path, findings)
    if not pictures:
        raise InvalidData(f"{source.path} has nobody with joints in it")
    images = find_images(source, list(pictures))
    return LabelledSet(
        skeletons.mpii(),
        images,
        [LabelledPicture(name, tuple(people)) for name, people in pictures.items()],
    )


def _json_pictures(path: Path, findings: Findings) -> dict[str, list[LabelledPerson]]:
    entries = as_entries(read_json(path))
    if entries is None:
        raise InvalidData(f"{path} is not a list of objects with image, joints and joints_vis")
    pictures: dict[str, list[LabelledPerson]] = {}
    for index, entry in enumerate(entries):
        name = entry.get("image")
        if not isinstance(name, str):
            raise InvalidData(f"{path}: entry {index} has no `image`, the name of its picture")
        if "joints" not in entry:
            findings.add("warning", "people left out: without joints, as in the test part", name)
            continue
        person = LabelledPerson(_json_joints(entry, f"{path}: entry {index} ({name})"))
        pictures.setdefault(name, []).append(person)
    return pictures


def _json_joints(entry: Entry, place: str) -> Floats:
    points = [as_numbers(point) for point in as_list(entry["joints"]) or []]
    visible = as_numbers(entry.get("joints_vis"))
    if [len(point or ()) for point in points] != [2] * _JOINTS or len(visible or ()) != _JOINTS:
        raise InvalidData(f"{place}: expected {_JOINTS} points in joints and flags in joints_vis")
    joints = np.zeros((_JOINTS, 3))
    labelled = np.array(visible) > 0
    joints[labelled, :2] = np.array(points)[labelled] - _FIRST_PIXEL
    joints[labelled, 2] = 2
    return joints


def _mat_pictures(path: Path, findings: Findings) -> dict[str, list[LabelledPerson]]:
    release = read_variable(path, "RELEASE")
    pictures: dict[str, list[LabelledPerson]] = {}
    training = as_items(field(release, "img_train"))
    entries = as_items(field(release, "annolist"))
    if len(training) != len(entries):
        raise InvalidData(
            f"{path}: img_train has {len(training)} values for {len(entries)} entries of annolist"
        )
    for index, (entry, is_training) in enumerate(zip(entries, training, strict=True)):
        name = field(field(entry, "image"), "name")
        if not isinstance(name, str):
            raise InvalidData(f"{path}: annolist({index + 1}).image.name is not a file name")
        if not is_training:
            findings.add("note", "pictures left out: of the test part, without labels", name)
            continue
        people = list(_mat_people(entry, f"{path}: annolist({index + 1})", name, findings))
        if people:
            pictures[name] = people
        else:
            findings.add("warning", "pictures left out: nobody in them has joints", name)
    return pictures


def _mat_people(entry: Any, place: str, name: str, findings: Findings) -> Iterator[LabelledPerson]:
    for index, rectangle in enumerate(as_items(field(entry, "annorect"))):
        points = as_items(field(field(rectangle, "annopoints"), "point"))
        if not points:
            findings.add("warning", "people left out: without joints", name)
            continue
        joints = np.zeros((_JOINTS, 3))
        for point in points:
            joint, x, y = (number(field(point, part)) for part in ("id", "x", "y"))
            if joint is None or x is None or y is None or joint not in range(_JOINTS):
                raise InvalidData(
                    f"{place}.annorect({index + 1}): a point has id {joint}, x {x}, y {y}; "
                    f"expected an id in 0..{_JOINTS - 1} and two numbers"
                )
            # Where it is not stated, as for the head, the joint was seen.
            hidden = number(field(point, "is_visible")) == 0
            joints[int(joint)] = x - _FIRST_PIXEL, y - _FIRST_PIXEL, 1 if hidden else 2
        yield LabelledPerson(joints, _box(joints, rectangle))


def _box(joints: Floats, rectangle: Any) -> Box | None:
    """Around the joints and the head, whose own box is all that the format gives."""
    corners = [number(field(rectangle, name)) for name in ("x1", "y1", "x2", "y2")]
    points = joints[joints[:, 2] > 0, :2]
    if None not in corners:
        head = np.array(corners, np.float64).reshape(2, 2) - _FIRST_PIXEL
        points = np.vstack([points, head])
    return box_around(points)
