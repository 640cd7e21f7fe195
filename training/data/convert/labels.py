"""What every converter reads a data set into, before it is written as COCO."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.inference.card import Skeleton
from service.inference.types import Box, Floats, Size

Format = Literal["mpii", "posetrack", "lsp", "crowdpose", "yolo-pose", "labelme", "coco"]


@dataclass(frozen=True, slots=True)
class LabelledPerson:
    """One person as a set labels them.

    Attributes:
        joints: float64 `[K, 3]`: x, y as the set counts them, and COCO's visibility 0 (no label),
            1 (hidden), 2 (visible).
        box: around the person; None where the set has none.
        area: of the person in square pixels; None where the set has none.
        crowd: the box holds an unknown number of people.
    """

    joints: Floats
    box: Box | None = None
    area: float | None = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture and the people in it.

    Attributes:
        file_name: below the folder of the pictures, with forward slashes.
        people: in the order of the labels.
        size: in pixels as the labels state it; None where they do not.
    """

    file_name: str
    people: tuple[LabelledPerson, ...]
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A data set in the joints of its own format.

    Points are in pixels and counted as COCO counts them: the first pixel's index is 0.

    Attributes:
        skeleton: K joints.
        images: folder of the pictures.
        pictures: each once.
        in_fractions: points and boxes are in fractions of the picture's sides instead of pixels.
    """

    skeleton: Skeleton
    images: Path
    pictures: Sequence[LabelledPicture]
    in_fractions: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """What to read, and what the user says about it.

    Attributes:
        path: file or folder with the labels.
        images: folder of the pictures; None to look for it near the labels.
        split: part of the set; None for the format's usual one.
        categories: to take as people, by name; empty for the only one with keypoints.
        keypoint_names: in the order of the labels; empty where the format has names.
    """

    path: Path
    images: Path | None = None
    split: str | None = None
    categories: tuple[str, ...] = ()
    keypoint_names: tuple[str, ...] = ()
