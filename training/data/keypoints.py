"""Samples for top-down networks: a crop around one person and its joints."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.inference.card import Skeleton
from service.inference.geometry import (
    affine_scale,
    compose_affines,
    crop_affine,
    transform_points,
    warp,
)
from service.inference.types import Box, Floats, Pixels
from training.config import AugmentConfig, TrainConfig
from training.data.augment import change_colours, occlude
from training.data.coco import PersonRecord
from training.data.pictures import read_reduced

_HALF_BODY_MIN_JOINTS = 8
_HALF_BODY_PADDING = 1.5


class KeypointSamples:
    """Crops and joint targets of labelled people; implements `Samples`."""

    def __init__(
        self, records: Sequence[PersonRecord], config: TrainConfig, skeleton: Skeleton
    ) -> None:
        self._records = records
        self._size = config.input.size
        self._padding = config.crop_padding
        self._flip_order = skeleton.flip_order()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def num_pictures(self) -> int:
        return len({record.picture for record in self._records})

    def sample(
        self, index: int, rng: np.random.Generator, augment: AugmentConfig | None
    ) -> tuple[Pixels, Floats]:
        """The crop of person `index` and its joints.

        The label travels as coordinates and the codec's loss draws what the network shall answer,
        so that a sample stays small.

        Returns:
            uint8 `[H, W, 3]` and float32 `[K, 3]`: x, y in crop pixels and a weight, 1 where the
            joint has a label.
        """
        record = self._records[index]
        joints = record.joints
        box, changes = record.box, {}
        if augment is not None:
            box, changes = _draw_geometry(box, joints, augment, rng)
        affine = crop_affine(box, self._size, self._padding, **changes)
        # Without augmentation the crop is that of serving, from all pixels.
        scale = 1.0 if augment is None else affine_scale(affine)
        picture = read_reduced(record.picture, lambda _: scale)
        if changes.get("flip"):
            joints = joints[self._flip_order]
        crop = warp(picture.pixels, compose_affines(affine, picture.to_picture), self._size)
        if augment is not None:
            crop = change_colours(crop, augment.colour, rng)
            if rng.random() < augment.occlusion_probability:
                crop = occlude(crop, rng)
        points = transform_points(joints[:, :2].astype(np.float64), affine)
        labelled = (joints[:, 2] > 0).astype(np.float64)
        return crop, np.column_stack([points, labelled]).astype(np.float32)


def _draw_geometry(
    box: Box, joints: Floats, augment: AugmentConfig, rng: np.random.Generator
) -> tuple[Box, dict[str, Any]]:
    """A box, perhaps around half the body, and arguments of `crop_affine`."""
    if rng.random() < augment.half_body_probability:
        box = _half_body(box, joints, rng)
    turned = rng.random() < augment.rotation_probability
    return box, {
        "scale": float(np.exp(rng.uniform(-1, 1) * np.log1p(augment.scale))),
        "rotation_deg": float(rng.uniform(-1, 1) * augment.rotation_deg) if turned else 0.0,
        "shift": tuple(rng.uniform(-augment.shift, augment.shift, 2)),
        "flip": bool(rng.random() < augment.flip_probability),
    }


def _half_body(box: Box, joints: Floats, rng: np.random.Generator) -> Box:
    """The box of the upper or the lower joints, where enough are labelled.

    Source: Wang et al. 2018, Mask-guided pose; in common use since MSPN.
    """
    labelled = joints[joints[:, 2] > 0]
    if len(labelled) < _HALF_BODY_MIN_JOINTS:
        return box
    middle = np.median(labelled[:, 1])
    upper = rng.random() < 0.5
    half = labelled[labelled[:, 1] <= middle] if upper else labelled[labelled[:, 1] >= middle]
    x0, y0 = half[:, :2].min(axis=0)
    x1, y1 = half[:, :2].max(axis=0)
    grow_x, grow_y = (_HALF_BODY_PADDING - 1) / 2 * np.array([x1 - x0, y1 - y0])
    return Box(float(x0 - grow_x), float(y0 - grow_y), float(x1 + grow_x), float(y1 + grow_y))
