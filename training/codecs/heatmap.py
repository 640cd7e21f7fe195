"""Gaussian heatmaps: one map per joint, sub-pixel decoding inside the graph.

The label travels as coordinates and the loss draws the Gaussians, so that a sample stays small.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from service.inference.types import Floats
from training.config import HeatmapCodec

Tensor = Any


def encode(points: Floats, labelled: Floats, codec: HeatmapCodec) -> Floats:
    """The target of one crop.

    A labelled joint outside the crop keeps its weight: its map is empty, which teaches the network
    to give it a low score.

    Args:
        points: `[K, 2]` in crop pixels.
        labelled: `[K]`, 1 where the joint has a label.
        codec: stride of the heatmaps.

    Returns:
        float32 `[K, 3]`: x, y in heatmap pixels, weight.
    """
    return np.column_stack([points / codec.stride, labelled]).astype(np.float32)


def heatmap_loss(
    codec: HeatmapCodec, height: int, width: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy against Gaussians over labelled joints, in units of a Gaussian's mass.

    Returns:
        `loss(target [N, K, 3], logits [N, height, width, K])` → scalar.
    """
    xs = np.arange(width, dtype=np.float32) + 0.5
    ys = np.arange(height, dtype=np.float32) + 0.5
    mass = 2 * np.pi * codec.sigma_px**2

    def axis(centres: Tensor, cells: Floats) -> Tensor:
        return ops.exp(-ops.square((cells - ops.expand_dims(centres, -1)) / codec.sigma_px) / 2)

    def loss(target: Tensor, logits: Tensor) -> Tensor:
        x, y, weight = target[..., 0], target[..., 1], target[..., 2]
        gaussian = ops.expand_dims(axis(y, ys), -1) * ops.expand_dims(axis(x, xs), -2)
        gaussian = ops.transpose(gaussian, (0, 2, 3, 1))
        entropy = ops.softplus(logits) - gaussian * logits
        per_joint = ops.sum(entropy, axis=(1, 2)) / mass
        return ops.sum(per_joint * weight) / ops.maximum(ops.sum(weight), 1.0)

    return loss


def decode(logits: Tensor, codec: HeatmapCodec) -> Tensor:
    """Joints from logits `[N, h, w, K]`.

    The maximum is refined by a parabola through the logarithms of its neighbours, exact for a
    Gaussian; at the border it stays in the middle of the cell.

    Returns:
        float32 `[N, K, 3]`: x, y in crop pixels, score in 0..1.

    Source: Zhang et al. 2020, DARK, section 3.2, with a diagonal Hessian.
    """
    _, height, width, joints = logits.shape
    logs = ops.reshape(ops.log_sigmoid(logits), (-1, height * width, joints))
    # Not ops.argmax: Keras orders -0.0 before 0.0 by a bit cast, which the ONNX export lacks.
    best = ops.top_k(ops.transpose(logs, (0, 2, 1)), 1)[1][..., 0]
    column, row = best % width, best // width
    peak = _at(logs, best)

    def offset(index: Tensor, last: int, step: int) -> Tensor:
        inside = ops.logical_and(index > 0, index < last)
        before = _at(logs, ops.where(inside, best - step, best))
        after = _at(logs, ops.where(inside, best + step, best))
        curvature = ops.maximum(2 * peak - before - after, 1e-6)
        return ops.clip((after - before) / (2 * curvature), -0.5, 0.5)

    x = ops.cast(column, "float32") + 0.5 + offset(column, width - 1, 1)
    y = ops.cast(row, "float32") + 0.5 + offset(row, height - 1, width)
    score = ops.exp(peak)
    return ops.stack([x * codec.stride, y * codec.stride, score], axis=-1)


def _at(values: Tensor, index: Tensor) -> Tensor:
    """`values[n, index[n, k], k]` for values `[N, cells, K]` and index `[N, K]`."""
    return ops.squeeze(ops.take_along_axis(values, ops.expand_dims(index, 1), axis=1), 1)
