"""Pixel classes: each cell is one of K joints, as a disc around it, or background."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from service.inference.types import Floats
from training.codecs.config import PixelClassCodec
from training.codecs.peaks import peak
from training.replicas import mean_over_replicas

Tensor = Any

_IMPOSSIBLE = -1e9


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
        return -ops.sum(joints + rest) / mean_over_replicas(cells)

    return loss


def decode(logits: Tensor, codec: PixelClassCodec) -> Tensor:
    """Joints from logits `[N, h, w, K + 1]`: where a disc holds most of the joint's probability.

    The place is refined by a parabola through its neighbours; where the disc leaves the crop, it is
    less exact. The score is the mean probability in the disc, outside the crop 0.

    Returns:
        float32 `[N, K, 3]`: x, y in crop pixels, score in 0..1.
    """
    probability = ops.softmax(logits)[..., :-1]
    disc = np.repeat(_disc(codec)[..., None, None], probability.shape[-1], axis=2)
    x, y, score = peak(ops.depthwise_conv(probability, disc, padding="same"))
    return ops.stack([x * codec.stride, y * codec.stride, score], axis=-1)


def _disc(codec: PixelClassCodec) -> Floats:
    """The cells of a joint in the middle of a cell, as weights with sum 1: `[side, side]`."""
    reach = int(codec.radius_px / codec.stride)
    squares = np.square(np.arange(-reach, reach + 1, dtype=np.float32) * codec.stride)
    inside = (squares + squares[:, None] <= codec.radius_px**2).astype(np.float32)
    return inside / inside.sum()
