"""Gaussian heatmaps: one map per joint, sub-pixel decoding inside the graph.

The label travels as coordinates and the loss draws the Gaussians, so that a sample stays small.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from service.inference.card import InputSize
from service.inference.types import Floats
from training.codecs.config import HeatmapCodec
from training.codecs.peaks import peak
from training.replicas import mean_over_replicas

Tensor = Any

_LOWEST = 1e-6
_AREA = 0.53
"""Of a person, in areas of the box around; what OKS calls the scale is its root."""
_NARROWEST = 0.7
"""Of a Gaussian, in cells: a narrower one may fall between them."""


def joint_sigmas(
    codec: HeatmapCodec, size: InputSize, crop_padding: float, oks_sigmas: Sequence[float]
) -> Floats:
    """Standard deviations of the joints' Gaussians in heatmap pixels, `[K]`.

    Args:
        codec: with `oks_width` above 0, else `sigma_px` for all.
        size: of the input.
        crop_padding: factor on the box around a person.
        oks_sigmas: COCO's per-joint constants.

    Source: COCO's keypoint evaluation: OKS is a Gaussian of width `2 * sigma * sqrt(area)`.
    """
    if not codec.oks_width:
        return np.full(len(oks_sigmas), codec.sigma_px)
    scale_px = np.sqrt(_AREA * size.height * size.width) / crop_padding
    widths = codec.oks_width * 2 * np.array(oks_sigmas) * scale_px / codec.stride
    return np.maximum(widths, _NARROWEST)


def heatmap_loss(
    codec: HeatmapCodec, height: int, width: int, sigmas: Floats | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance to Gaussians, averaged over labelled joints.

    In units of a Gaussian's mass, or of that of its squares, so that an empty map costs about 1. A
    labelled joint outside the crop has an empty map, which teaches a low score.

    Args:
        codec: of the network.
        height: of the heatmaps.
        width: of the heatmaps.
        sigmas: of the Gaussians in heatmap pixels, `[K]` or `[1]`; None takes `codec.sigma_px`.

    Returns:
        `loss(target [N, K, 3], logits [N, height, width, K])` → scalar, where the target is x, y in
        crop pixels and a weight.
    """
    xs = (np.arange(width, dtype=np.float32) + 0.5) * codec.stride
    ys = (np.arange(height, dtype=np.float32) + 0.5) * codec.stride
    cells = np.array([codec.sigma_px] if sigmas is None else sigmas, np.float32)
    sigma_px = cells[:, None] * codec.stride
    mass = 2 * np.pi * np.square(cells)

    def axis(centres: Tensor, places: Floats) -> Tensor:
        return ops.exp(-ops.square((places - ops.expand_dims(centres, -1)) / sigma_px) / 2)

    def loss(target: Tensor, logits: Tensor) -> Tensor:
        x, y, weight = target[..., 0], target[..., 1], target[..., 2]
        gaussian = ops.expand_dims(axis(y, ys), -1) * ops.expand_dims(axis(x, xs), -2)
        gaussian = ops.transpose(gaussian, (0, 2, 3, 1))
        if codec.loss == "mse":
            per_joint = ops.sum(ops.square(logits - gaussian), axis=(1, 2)) / (mass / 2)
        else:
            entropy = ops.softplus(logits) - gaussian * logits
            per_joint = ops.sum(entropy, axis=(1, 2)) / mass
        labelled = mean_over_replicas(ops.sum(weight))
        return ops.sum(per_joint * weight) / ops.maximum(labelled, 1.0)

    return loss


def decode(logits: Tensor, codec: HeatmapCodec) -> Tensor:
    """Joints from logits `[N, h, w, K]`; with squares as loss, the logits are the heatmaps.

    Returns:
        float32 `[N, K, 3]`: x, y in crop pixels, score in 0..1.
    """
    quarter = codec.decoding == "quarter"

    def rising(values: Tensor) -> Tensor:
        if codec.loss != "mse":
            return ops.log_sigmoid(values)
        return values if quarter else ops.log(ops.maximum(values, _LOWEST))

    x, y, value = peak(logits, quarter=quarter, rising=rising)
    is_score = codec.loss == "mse" and quarter
    score = ops.clip(value if is_score else ops.exp(value), 0.0, 1.0)
    return ops.stack([x * codec.stride, y * codec.stride, score], axis=-1)
