"""COCO-format annotations as records: people with joints, and pictures with boxes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from service.inference.types import Box, Floats
from training.config import DataSet
from training.skeletons import skeleton_of


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """One labelled person.

    Attributes:
        picture: path of the file.
        box: in picture pixels.
        joints: float32 `[K, 3]`: x, y in picture pixels, visibility 0 (no label), 1 (hidden), 2.
    """

    picture: Path
    box: Box
    joints: Floats


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """One picture with the people in it.

    Attributes:
        picture: path of the file.
        boxes: of people, in picture pixels.
        crowds: boxes that hold an unknown number of people; neither people nor background.
    """

    picture: Path
    boxes: tuple[Box, ...]
    crowds: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A parsed annotation file.

    Attributes:
        path: of the JSON file.
        images: of the folder with the pictures.
        skeleton: of its first category.
        document: the JSON as it stands.
    """

    path: Path
    images: Path
    skeleton: Skeleton
    document: Mapping[str, Any]

    def picture(self, image: Mapping[str, Any]) -> Path:
        return self.images / str(image["file_name"])


def read_coco(data: DataSet) -> CocoFile:
    """Reads and parses an annotation file.

    Raises:
        InvalidData: the file or folder is missing, not JSON, or not in COCO's format.
    """
    if not data.images.is_dir():
        raise InvalidData(f"images: no folder {data.images} (for {data.annotations})")
    try:
        document = json.loads(data.annotations.read_text())
    except OSError as error:
        raise InvalidData(f"annotations: cannot read {data.annotations}: {error}") from error
    except ValueError as error:
        raise InvalidData(f"annotations: {data.annotations} is not JSON: {error}") from error
    missing = {"images", "annotations", "categories"} - set(document)
    if missing or not document["categories"]:
        raise InvalidData(
            f"annotations: {data.annotations} lacks {sorted(missing) or 'categories'}"
        )
    return CocoFile(
        path=data.annotations,
        images=data.images,
        skeleton=skeleton_of(document["categories"][0]),
        document=document,
    )


def people(coco: CocoFile) -> list[PersonRecord]:
    """Everyone with at least one labelled joint and a box of at least one pixel.

    Raises:
        InvalidData: someone has too many or too few keypoints.
    """
    pictures = {image["id"]: coco.picture(image) for image in coco.document["images"]}
    return [
        PersonRecord(
            picture=pictures[annotation["image_id"]],
            box=Box.from_xywh(*annotation["bbox"]),
            joints=_joints(coco, annotation),
        )
        for annotation in coco.document["annotations"]
        if annotation.get("num_keypoints", 0) > 0
        and not annotation.get("iscrowd", 0)
        and min(annotation["bbox"][2:]) >= 1
    ]


def _joints(coco: CocoFile, annotation: Mapping[str, Any]) -> Floats:
    numbers = np.array(annotation["keypoints"], np.float32)
    names = coco.skeleton.names
    if numbers.size != 3 * len(names):
        raise InvalidData(
            f"annotations: annotation {annotation.get('id')} in {coco.path} has {numbers.size} "
            f"numbers in `keypoints`, expected {3 * len(names)}: three for each of {len(names)} "
            "names"
        )
    return numbers.reshape(-1, 3)


def pictures(coco: CocoFile) -> list[PictureRecord]:
    """Every picture, those without people too."""
    boxes: dict[int, list[Box]] = {image["id"]: [] for image in coco.document["images"]}
    crowds: dict[int, list[Box]] = {image["id"]: [] for image in coco.document["images"]}
    for annotation in coco.document["annotations"]:
        target = crowds if annotation.get("iscrowd", 0) else boxes
        target[annotation["image_id"]].append(Box.from_xywh(*annotation["bbox"]))
    return [
        PictureRecord(
            picture=coco.picture(image),
            boxes=tuple(boxes[image["id"]]),
            crowds=tuple(crowds[image["id"]]),
        )
        for image in coco.document["images"]
    ]


def common_skeleton(files: Sequence[CocoFile]) -> Skeleton:
    """The skeleton that all files share.

    Raises:
        InvalidData: there is no file, or two files name or mirror other keypoints.
    """
    if not files:
        raise InvalidData("data.train: no annotation file given")
    first = files[0]
    for other in files[1:]:
        require_joints(other, first.skeleton, str(first.path))
    return first.skeleton


def require_joints(coco: CocoFile, skeleton: Skeleton, owner: str) -> None:
    """Makes sure that a file has the joints of something else, named in the error.

    Raises:
        InvalidData: it names or mirrors others.
    """
    if coco.skeleton.names != skeleton.names:
        raise InvalidData(
            f"categories: {coco.path} has {_described(coco.skeleton)}, but {owner} has "
            f"{_described(skeleton)}; write the labels that are not in COCO's joints anew with "
            "`convert … --skeleton coco`, or take files with the same joints"
        )
    if coco.skeleton.flip_order() != skeleton.flip_order():
        raise InvalidData(
            f"categories: {coco.path} has the flip_pairs {coco.skeleton.flip_pairs}, "
            f"but {owner} has {skeleton.flip_pairs}"
        )


def _described(skeleton: Skeleton) -> str:
    return f"{len(skeleton.names)} keypoints ({', '.join(skeleton.names)})"
