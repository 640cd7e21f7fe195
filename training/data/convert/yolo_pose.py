"""YOLO-pose: a `data.yaml`, pictures, and beside them a text file of fractions for each."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Box, Floats
from training.data.convert.files import read_lines, shortened
from training.data.convert.labels import LabelledPerson, LabelledPicture, LabelledSet, Source
from training.data.convert.yolo_config import YoloConfig, read_config
from training.data.findings import Findings

_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
_BOX_COLUMNS = 5
# A joint may lie a little outside of its picture; a number above this is one of pixels.
_MAX_FRACTION = 2.0


def read_yolo_pose(source: Source, findings: Findings) -> LabelledSet:
    """Reads one split of a set: `train` unless the source names another.

    With two values per joint, one at or beyond (0, 0) is not labelled; with three, the third is
    COCO's v. A picture without a label file has nobody in it.

    Raises:
        InvalidData: a file cannot be read, or a row is not what `kpt_shape` says.
        InvalidInput: as `read_config`.

    Source: Ultralytics' documentation, "Pose Estimation Datasets", and `verify_image_label` of its
        `data/utils.py` for what the documentation leaves open.
    """
    config = read_config(source)
    pictures: dict[str, LabelledPicture] = {}
    for path in _picture_files(config):
        name = Path(os.path.relpath(path, config.root)).as_posix()
        labels = _label_file(path)
        if labels.is_file():
            people = tuple(_people(labels, config, findings))
        else:
            findings.add("note", "pictures without a label file: nobody is in them", name)
            people = ()
        pictures[name] = LabelledPicture(name, people)
    if not pictures:
        raise InvalidData(f"{source.path}: no picture in {', '.join(map(str, config.pictures))}")
    return LabelledSet(
        config.skeleton, shortened(config.root), list(pictures.values()), in_fractions=True
    )


def _picture_files(config: YoloConfig) -> Iterator[Path]:
    for place in config.pictures:
        if place.is_dir():
            yield from sorted(p for p in place.rglob("*") if p.suffix.lower() in _SUFFIXES)
        else:
            for line in read_lines(place):
                if line.strip():
                    # A leading dot means the list's own folder, as in Ultralytics.
                    base = place.parent if line.startswith("./") else config.root
                    yield base / line.strip()


def _label_file(picture: Path) -> Path:
    """The last folder named `images` becomes `labels`."""
    parts = list(picture.parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _people(labels: Path, config: YoloConfig, findings: Findings) -> Iterator[LabelledPerson]:
    seen: set[str] = set()
    for number, line in enumerate(read_lines(labels), 1):
        place = f"{labels} line {number}"
        row = line.strip()
        if not row:
            continue
        if row in seen:
            findings.add("warning", "rows left out: they repeat another", place)
            continue
        seen.add(row)
        label, numbers = _numbers(row, place, config)
        if label not in config.chosen:
            findings.add("warning", f"people left out: of class {config.classes[label]}", place)
            continue
        yield _person(numbers, place, config)


def _numbers(row: str, place: str, config: YoloConfig) -> tuple[int, Floats]:
    """The class and the other numbers of a row."""
    expected = _BOX_COLUMNS + len(config.skeleton.names) * config.values
    try:
        numbers = np.array(row.split(), np.float64)
    except ValueError as error:
        raise InvalidData(f"{place}: {error}; expected {expected} numbers") from error
    if len(numbers) != expected or not np.isfinite(numbers).all():
        raise InvalidData(
            f"{place} has {len(numbers)} numbers; expected {expected}: the class, four of the box "
            f"and {config.values} for each of {len(config.skeleton.names)} joints"
        )
    if numbers[0] not in range(len(config.classes)):
        raise InvalidData(
            f"{place}: class {numbers[0]:g}; expected one in 0..{len(config.classes) - 1}"
        )
    return int(numbers[0]), numbers[1:]


def _person(numbers: Floats, place: str, config: YoloConfig) -> LabelledPerson:
    x, y, width, height = numbers[:4].tolist()
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    raw = numbers[4:].reshape(-1, config.values)
    joints = np.zeros((len(raw), 3))
    joints[:, :2] = raw[:, :2]
    if config.values == 3:
        joints[:, 2] = raw[:, 2]
    else:
        joints[:, 2] = np.where((raw < 0).any(axis=1) | (raw == 0).all(axis=1), 0, 2)
        joints[joints[:, 2] == 0] = 0
    if not np.isin(joints[:, 2], (0, 1, 2)).all():
        raise InvalidData(f"{place}: the third value of a joint is not 0, 1 or 2")
    greatest = float(np.abs(np.append(joints[:, :2], numbers[:4])).max())
    if greatest > _MAX_FRACTION:
        raise InvalidData(f"{place}: {greatest:g} is no fraction of a picture's side")
    return LabelledPerson(joints, box)
