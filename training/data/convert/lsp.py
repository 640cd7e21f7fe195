"""Leeds Sports Pose and its extended training set: one `joints.mat` beside a folder of pictures."""

import re
from pathlib import Path

import numpy as np

from service.inference.errors import InvalidData, InvalidInput
from service.inference.types import Floats
from training.data.convert import skeletons
from training.data.convert.files import shortened
from training.data.convert.labels import LabelledPerson, LabelledPicture, LabelledSet, Source
from training.data.convert.matlab import read_variable
from training.data.findings import Findings

_TRAINING_PICTURES = 1000
_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_lsp(source: Source, findings: Findings) -> LabelledSet:
    """Reads `joints.mat` of LSP, `[3, 14, n]`, or of LSPET and HR-LSPET, `[14, 3, n]`.

    The third value means the opposite in the two: in LSP 1 is a joint that is hidden, but has a
    place; in LSPET 1 is a joint that is labelled, and 0 one that is not. Coordinates are taken as
    they are: they are fractional, and neither README says that they count from 1.

    Raises:
        InvalidData: the file is of another format, or pictures and labels cannot be paired.

    Source: Johnson and Everingham 2010 and 2011; Kanazawa et al. 2018, `lsp_to_tfrecords.py`, on
        the third value.
    """
    path = source.path / "joints.mat" if source.path.is_dir() else source.path
    people = _people(path)
    folder = source.images if source.images is not None else _folder(path)
    chosen = _part(source.split, len(people))
    pictures = [
        LabelledPicture(name, (LabelledPerson(people[index]),))
        for index, name in _paired(folder, len(people))
        if index in chosen
    ]
    missing = len(set(chosen)) - len(pictures)
    if missing:
        message = "people left out: no picture has their number"
        findings.add("warning", message, str(folder), count=missing)
    return LabelledSet(skeletons.lsp(), shortened(folder), pictures)


def _people(path: Path) -> Floats:
    """Joints `[n, 14, 3]` with COCO's visibility."""
    try:
        raw = np.asarray(read_variable(path, "joints"), np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"{path}: joints is not an array of numbers: {error}") from error
    if raw.ndim == 2:
        raw = raw[..., None]
    match raw.shape:
        case (3, 14, _):
            people = raw.transpose(2, 1, 0).copy()
            people[..., 2] = np.where(people[..., 2] > 0, 1, 2)
        case (14, 3, _):
            people = raw.transpose(2, 0, 1).copy()
            people[..., 2] = np.where(people[..., 2] > 0, 2, 0)
        case _:
            raise InvalidData(
                f"{path}: joints has the shape {raw.shape}; "
                "expected (3, 14, n) as in LSP or (14, 3, n) as in LSPET"
            )
    # Rather than by the third value, a joint without a label may be told by NaN.
    people[~np.isfinite(people).all(axis=2)] = 0
    return people


def _part(split: str | None, count: int) -> range:
    match split:
        case None | "all":
            return range(count)
        case "train":
            return range(min(_TRAINING_PICTURES, count))
        case "test":
            return range(_TRAINING_PICTURES, count)
        case _:
            raise InvalidInput(
                f"split: LSP has no part {split!r}; "
                "expected train (its first 1,000 pictures), test (the others) or all"
            )


def _folder(path: Path) -> Path:
    """`images` beside the labels; HR-LSPET has its pictures beside them."""
    images = path.parent / "images"
    return images if images.is_dir() else path.parent


def _paired(folder: Path, count: int) -> list[tuple[int, str]]:
    """Index of the person and name of the picture.

    A whole folder is paired in the order of the names; HR-LSPET has gaps in its numbers. A part of
    one is paired by the numbers, which count from 1.
    """
    if not folder.is_dir():
        raise InvalidData(f"images: no folder {folder}; name it with --images")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if len(files) == count:
        return [(index, path.name) for index, path in enumerate(files)]
    numbers = [int(digits[-1]) if (digits := re.findall(r"\d+", p.stem)) else 0 for p in files]
    is_high_resolution = any(path.suffix.lower() == ".png" for path in files)
    if is_high_resolution or not numbers or min(numbers) < 1 or max(numbers) > count:
        raise InvalidData(
            f"images: {folder} has {len(files)} pictures for {count} people in joints.mat and "
            "names that do not number them; expected all pictures, or some named im0001.jpg …"
        )
    return [(number - 1, path.name) for number, path in zip(numbers, files, strict=True)]
