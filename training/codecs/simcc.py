"""SimCC: a joint is one class among the columns and one among the rows of the input.

The classes are finer than pixels; the first begins at the crop's left or upper border.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from service.inference.card import InputSize
from service.inference.types import Floats
from training.codecs.config import SimccCodec
from training.codecs.peaks import peak
from training.replicas import mean_over_replicas

Tensor = Any

_LOWEST = 1e-9
_REACH = 3
"""Deviations after which a Gaussian counts as 0."""


def bins(codec: SimccCodec, input_size: InputSize) -> tuple[int, int]:
    """The number of classes along x and along y."""
    return (
        round(input_size.width * codec.bins_per_px),
        round(input_size.height * codec.bins_per_px),
    )


def simcc_loss(codec: SimccCodec, input_size: InputSize) -> Callable[[Tensor, Tensor], Tensor]:
    """Kullback-Leibler distance from Gaussians over the classes, averaged over labelled joints.

    The Gaussians are normalised over the classes inside the crop. A labelled joint outside the crop
    asks for even classes on both axes, which teaches a low score.

    Returns:
        `loss(target [N, K, 3], logits [N, K, Bx + By])` → scalar, where the target is x, y in crop
        pixels and a weight, and the classes of x come first.

    Source: Li et al. 2022, SimCC, section 3.2; the Gaussian labels of its appendix.
    """
    columns, rows = (_centres_px(count, codec) for count in bins(codec, input_size))

    def distance(logits: Tensor, place: Tensor, centres: Floats, inside: Tensor) -> Tensor:
        squared = ops.square((centres - ops.expand_dims(place, -1)) / codec.sigma_px)
        wanted = ops.log_softmax(ops.where(ops.expand_dims(inside, -1), -squared / 2, 0.0))
        return ops.sum(ops.exp(wanted) * (wanted - ops.log_softmax(logits)), axis=-1)

    def loss(target: Tensor, logits: Tensor) -> Tensor:
        x, y, weight = target[..., 0], target[..., 1], target[..., 2]
        inside = (x >= 0) & (x <= input_size.width) & (y >= 0) & (y <= input_size.height)
        across = distance(logits[..., : len(columns)], x, columns, inside)
        down = distance(logits[..., len(columns) :], y, rows, inside)
        labelled = mean_over_replicas(ops.sum(weight))
        return ops.sum((across + down) * weight) / ops.maximum(labelled, 1.0)

    return loss


def decode(logits: Tensor, codec: SimccCodec, input_size: InputSize) -> Tensor:
    """Joints from logits `[N, K, Bx + By]`: on each axis the Gaussian that fits best.

    The probabilities are compared with the Gaussian that the loss asks for, at every place. A
    single class may be the highest by chance; its neighbourhood is not. The score is the geometric
    mean over both axes of how well the Gaussian fits, 1 for what the loss asks for.

    Returns:
        float32 `[N, K, 3]`: x, y in crop pixels, score in 0..1.
    """
    columns, _ = bins(codec, input_size)
    x, x_score = _decode_axis(logits[..., :columns], codec)
    y, y_score = _decode_axis(logits[..., columns:], codec)
    return ops.stack([x, y, ops.sqrt(x_score * y_score)], axis=-1)


def _decode_axis(logits: Tensor, codec: SimccCodec) -> tuple[Tensor, Tensor]:
    """Places in pixels and scores, `[N, K]`."""
    _, joints, count = logits.shape
    kernel = _kernel(codec)
    norm = np.sqrt(np.convolve(np.ones(count), np.square(kernel), "same")).astype(np.float32)
    probability = ops.expand_dims(ops.transpose(ops.softmax(logits), (0, 2, 1)), 2)
    kernels = np.repeat(kernel[:, None, None, None], joints, axis=2)
    # Divided by the norm of the part of the Gaussian inside the crop, so that at the border too
    # none fits better than the right one.
    fit = ops.depthwise_conv(probability, kernels, padding="same") / norm[:, None, None]
    _, place, best = peak(ops.log(ops.maximum(fit, _LOWEST)))
    perfect = np.sqrt(np.square(kernel).sum()) / kernel.sum()
    return place / codec.bins_per_px, ops.minimum(ops.exp(best) / perfect, 1.0)


def _kernel(codec: SimccCodec) -> Floats:
    """A Gaussian of the targets' width over an odd number of classes."""
    sigma = codec.sigma_px * codec.bins_per_px
    reach = math.ceil(_REACH * sigma)
    return np.exp(-np.square(np.arange(-reach, reach + 1, dtype=np.float32) / sigma) / 2)


def _centres_px(count: int, codec: SimccCodec) -> Floats:
    return (np.arange(count, dtype=np.float32) + 0.5) / np.float32(codec.bins_per_px)
