"""What a network is asked about labelled sets, cut as in serving."""

from collections.abc import Sequence

import numpy as np

from service.inference.card import ModelCard, Task
from service.inference.errors import InvalidData
from service.inference.geometry import best_fit, crop_affine, letterbox_affine, warp
from service.inference.types import Pixels, Size
from training.data.coco import CocoFile, PersonRecord, PictureRecord, people, pictures
from training.data.pictures import read_picture

Record = PersonRecord | PictureRecord
_SEED = 0


def labelled_records(task: Task, coco: CocoFile) -> Sequence[Record]:
    """Everyone with labelled joints, or for a detector all pictures.

    Raises:
        InvalidData: a label cannot be used.
    """
    return people(coco) if task == "keypoints" else pictures(coco)


def draw_records(task: Task, files: Sequence[CocoFile], count: int) -> list[Record]:
    """People, or for a detector pictures, from all over the sets; always the same ones.

    Returns:
        `count` records in the order of the files, or all where there are fewer.

    Raises:
        InvalidData: there is none.
    """
    records = [record for coco in files for record in labelled_records(task, coco)]
    if not records:
        names = ", ".join(str(coco.path) for coco in files) or "no file"
        raise InvalidData(f"data: nobody with labelled keypoints or no picture in {names}")
    rng = np.random.default_rng(_SEED)
    chosen = rng.choice(len(records), min(count, len(records)), replace=False)
    return [records[index] for index in np.sort(chosen).tolist()]


def network_input(card: ModelCard, record: Record, size: Size | None = None) -> Pixels:
    """The crop around a person, or the letterboxed picture: uint8 `[H, W, 3]`.

    Args:
        card: of the network.
        record: the person or picture.
        size: one of the card's; None takes the one that fits best.

    Raises:
        InvalidData: the picture cannot be read.
    """
    image = read_picture(record.picture)
    if isinstance(record, PersonRecord):
        size = card.input.size
        affine = crop_affine(record.box, size, card.crop_padding or 1.0)
    else:
        size = size or best_fit(image.size, card.sizes)
        affine = letterbox_affine(image.size, size)
    return warp(image.pixels, affine, size)


def draw_inputs(
    card: ModelCard, files: Sequence[CocoFile], count: int, size: Size | None = None
) -> Pixels:
    """What a network is asked about `draw_records`: uint8 `[N, H, W, 3]`.

    Args:
        card: of the network.
        files: to draw from.
        count: of records.
        size: one of the card's, for all; None stands for its `input`.

    Raises:
        InvalidData: there is none, or a picture cannot be read.
    """
    records = draw_records(card.task, files, count)
    size = size or card.input.size
    return np.stack([network_input(card, record, size) for record in records])
