"""Samples of the person detector: letterboxed or randomly cut pictures and their boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.inference.geometry import (
    compose_affines,
    letterbox_affine,
    transform_points,
    warp,
)
from service.inference.types import Box, Floats, Image, Pixels, Size
from training.codecs import centernet
from training.codecs.config import CenterNetCodec
from training.config import AugmentConfig, TrainConfig
from training.data.augment import change_colours
from training.data.coco import PictureRecord
from training.data.pictures import read_reduced

# A person of whom less is left after a cut is neither person nor background.
_MIN_VISIBLE = 0.3


@dataclass(frozen=True, slots=True)
class _View:
    """A picture as the network sees it: uint8 `[H, W, 3]`, boxes `[M, 4]`, ignored `[I, 4]`."""

    pixels: Pixels
    boxes: Floats
    ignored: Floats


class DetectionSamples:
    """Pictures with people for the person detector; implements `Samples`."""

    def __init__(self, records: Sequence[PictureRecord], config: TrainConfig) -> None:
        if not isinstance(config.codec, CenterNetCodec):
            raise TypeError(f"codec {config.codec.kind} does not take boxes")
        self._records = records
        self._codec = config.codec
        self._input = config.input

    def __len__(self) -> int:
        return len(self._records)

    @property
    def num_pictures(self) -> int:
        return len({record.picture for record in self._records})

    def sample(
        self, index: int, rng: np.random.Generator, augment: AugmentConfig | None
    ) -> tuple[Pixels, Floats]:
        """The picture as the network sees it and its target as the codec encodes it.

        Without `augment` it is the letterbox of serving.
        """
        size = self._input.size
        record = self._records[index]
        if augment is None:
            view = _letterbox(record, size)
        elif rng.random() < augment.mosaic_probability:
            others = [self._records[int(rng.integers(len(self)))] for _ in range(3)]
            view = _mosaic([record, *others], size, rng, augment)
        else:
            view = _random_cut(record, size, rng, augment)
        pixels = view.pixels
        if augment is not None:
            pixels = change_colours(pixels, augment.colour, rng)
        target = centernet.encode(view.boxes, view.ignored, self._codec, self._input)
        return pixels, target


def _letterbox(record: PictureRecord, size: Size) -> _View:
    image = read_reduced(record.picture, lambda _: 1.0)
    return _view(image, record, letterbox_affine(image.size, size), size)


def _random_cut(
    record: PictureRecord,
    size: Size,
    rng: np.random.Generator,
    augment: AugmentConfig,
    *,
    cover: bool = False,
) -> _View:
    """The picture at a random size, place and handedness, cut by `size` or with black around.

    Its size varies around the largest that fits, or with `cover` the smallest that leaves no black.
    """
    zoom = float(np.exp(rng.uniform(-1, 1) * np.log1p(augment.scale)))
    choose = max if cover else min

    def scale_of(picture: Size) -> float:
        return choose(size.width / picture.width, size.height / picture.height) * zoom

    def finest_scale(stored: Size) -> float:
        """EXIF may turn the picture by a quarter."""
        return max(scale_of(stored), scale_of(Size(height=stored.width, width=stored.height)))

    image = read_reduced(record.picture, finest_scale)
    scale = scale_of(image.size)
    sides = np.array([size.width, size.height])
    free = sides - scale * np.array([image.size.width, image.size.height])
    offset = free * rng.random(2) + sides * rng.uniform(-augment.shift, augment.shift, 2)
    affine = np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])
    if rng.random() < augment.flip_probability:
        affine[0] = -affine[0]
        affine[0, 2] += size.width
    return _view(image, record, affine, size)


def _mosaic(
    records: Sequence[PictureRecord], size: Size, rng: np.random.Generator, augment: AugmentConfig
) -> _View:
    """Four pictures around a random point: more and smaller people than one has.

    Source: Bochkovskiy et al. 2020, YOLOv4, section 3.3.
    """
    left = round(size.width * rng.uniform(0.35, 0.65))
    top = round(size.height * rng.uniform(0.35, 0.65))
    pixels = np.empty((size.height, size.width, 3), np.uint8)
    boxes: list[Floats] = []
    ignored: list[Floats] = []
    corners = [(0, 0), (left, 0), (0, top), (left, top)]
    for record, (x, y) in zip(records, corners, strict=True):
        tile = Size(size.height - top if y else top, size.width - left if x else left)
        view = _random_cut(record, tile, rng, augment, cover=True)
        pixels[y : y + tile.height, x : x + tile.width] = view.pixels
        corner = np.array([x, y, x, y])
        boxes.append(view.boxes + corner)
        ignored.append(view.ignored + corner)
    return _View(pixels, np.concatenate(boxes), np.concatenate(ignored))


def _view(image: Image, record: PictureRecord, affine: Floats, size: Size) -> _View:
    """The picture and its boxes under an affine map without rotation."""
    boxes = _map_boxes(record.boxes, affine)
    crowds = _clip(_map_boxes(record.crowds, affine), size)
    visible = _clip(boxes, size)
    enough = _areas(visible) >= _MIN_VISIBLE * _areas(boxes)
    return _View(
        pixels=warp(image.pixels, compose_affines(affine, image.to_picture), size),
        boxes=visible[enough],
        ignored=np.concatenate([crowds, visible[~enough]]),
    )


def _map_boxes(boxes: Sequence[Box], affine: Floats) -> Floats:
    """float64 `[M, 4]`: x0, y0, x1, y1 after the map, which may mirror."""
    corners = np.array([[(box.x0, box.y0), (box.x1, box.y1)] for box in boxes])
    corners = transform_points(corners.reshape(-1, 2, 2), affine)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _clip(boxes: Floats, size: Size) -> Floats:
    return boxes.clip(0, (size.width, size.height, size.width, size.height))


def _areas(boxes: Floats) -> Floats:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
