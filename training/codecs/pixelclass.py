"""Pixel classes: each cell is one of K joints, as a disc around it, or background."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from training.codecs.config import PixelClassCodec
from training.codecs.peaks import peak

Tensor = Any

_IMPOSSIBLE = -1e9
_DISC = np.pi / 4
"""The part of a square that its inner circle covers."""


def pixelclass_loss(
    codec: PixelClassCodec, height: int, width: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """Class-weighted cross-entropy; a cell belongs to the nearest joint within the radius.

    A joint without a label takes no part: no cell is told that it is not that joint.

    Returns:
        `loss(target [N, K, 3], logits [N, height, width, K + 1])` → scalar, where the target is x,
        y in crop pixels and a weight, and the last class is the background.
    """
    xs = (np.arange(width, dtype=np.float32) + 0.5) * codec.stride
    ys = (np.arange(height, dtype=np.float32) + 0.5)[:, None] * codec.stride

    def loss(target: Tensor, logits: Tensor) -> Tensor:
        x, y, weight = (ops.reshape(target[..., i], (-1, 1, 1, target.shape[1])) for i in range(3))
        distance = ops.square(xs[..., None] - x) + ops.square(ys[..., None] - y)
        distance = ops.where(weight > 0, distance, np.inf)
        nearest = ops.min(distance, axis=-1, keepdims=True)
        is_joint = ops.logical_and(distance <= nearest, distance <= codec.radius_px**2)
        is_joint = ops.cast(is_joint, logits.dtype)
        background = 1 - ops.max(is_joint, axis=-1, keepdims=True)
        labelled = ops.concatenate([weight, ops.ones_like(weight[..., :1])], axis=-1)
        log_p = ops.log_softmax(ops.where(labelled > 0, logits, _IMPOSSIBLE))
        joints = ops.sum(is_joint * log_p[..., :-1], axis=-1)
        rest = codec.background_weight * background[..., 0] * log_p[..., -1]
        cells = ops.sum(is_joint) + codec.background_weight * ops.sum(background)
        return -ops.sum(joints + rest) / cells

    return loss


def decode(logits: Tensor, codec: PixelClassCodec) -> Tensor:
    """Joints from logits `[N, h, w, K + 1]`: where a disc's worth of cells is most probable.

    The probabilities are averaged over a square of the disc's size; its maximum is refined by a
    parabola through its neighbours. The score is the part of a whole disc that was found.

    Returns:
        float32 `[N, K, 3]`: x, y in crop pixels, score in 0..1.
    """
    reach = max(1, round(codec.radius_px / codec.stride))
    x, y, found = peak(_square_mean(ops.softmax(logits)[..., :-1], reach))
    score = ops.minimum(found / _DISC, 1.0)
    return ops.stack([x * codec.stride, y * codec.stride, score], axis=-1)


def _square_mean(maps: Tensor, reach: int) -> Tensor:
    """The mean over the square of `reach` cells around each cell; outside the map is 0."""
    side = 2 * reach + 1
    maps = ops.pad(maps, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    maps = ops.average_pool(maps, (side, 1), strides=1)
    return ops.average_pool(maps, (1, side), strides=1)
