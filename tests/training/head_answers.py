"""What every head and codec computes for the same weights and features, on whichever backend.

`python -m tests.training.head_answers FILE.npz` writes it.
"""

import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from service.inference.card import InputSize
from training.codecs import heatmap, pixelclass, simcc
from training.codecs.config import HeatmapCodec, PixelClassCodec, SimccCodec
from training.networks.attention import attention_head
from training.networks.config import (
    AttentionHead,
    DeconvNeck,
    DenseHead,
    Fcn8sHead,
    PyramidNeck,
    SimccHead,
)
from training.networks.fcn8s import fcn8s_head
from training.networks.head import dense_head
from training.networks.neck import deconv, feature_pyramid
from training.networks.simcc_head import simcc_head

SIZE = InputSize(height=64, width=64)
K = 3


def answers() -> dict[str, np.ndarray]:
    """Joints and loss of each combination."""
    rng = np.random.default_rng(0)
    target = np.dstack([rng.uniform(0, 64, (2, K, 2)), [[1, 1, 0], [1, 0, 1]]]).astype(np.float32)
    found: dict[str, np.ndarray] = {}
    for name, taps, logits, loss, decode in _combinations():
        network = keras.Model(taps, logits)
        network.set_weights([_weight(weight, rng) for weight in network.weights])
        features = [rng.normal(0, 1, (2, *tap.shape[1:])).astype(np.float32) for tap in taps]
        out = network(features)
        found[f"{name} joints"] = keras.ops.convert_to_numpy(decode(out))
        found[f"{name} loss"] = keras.ops.convert_to_numpy(loss(target, out))
    return found


def _weight(weight: keras.Variable, rng: np.random.Generator) -> np.ndarray:
    value = rng.normal(0, 0.4, weight.shape)
    return np.abs(value) + 0.5 if "variance" in weight.name else value


def _combinations() -> Iterator[tuple[str, list[Any], Any, Any, Any]]:
    def taps() -> list[Any]:
        return [keras.Input((64 // stride, 64 // stride, 4)) for stride in (32, 16, 8)]

    maps = HeatmapCodec(stride=8, sigma_px=1)
    loss = heatmap.heatmap_loss(maps, 8, 8)
    x = taps()
    top = feature_pyramid(x, PyramidNeck(channels=(8, 8, 8), refine_blocks=1), 0.9)
    logits = dense_head(top, DenseHead(channels=4), K, 0.01)
    yield "pyramid, heatmap", x, logits, loss, lambda out: heatmap.decode(out, maps)

    squares = HeatmapCodec(stride=8, sigma_px=1, loss="mse", decoding="quarter")
    loss = heatmap.heatmap_loss(squares, 8, 8)
    x = taps()[:1]
    logits = attention_head(
        deconv(x[0], DeconvNeck(channels=(4, 4)), 0.9), AttentionHead(), K, None
    )
    yield "attention, squares", x, logits, loss, lambda out: heatmap.decode(out, squares)

    classes = PixelClassCodec(stride=1, radius_px=6)
    loss = pixelclass.pixelclass_loss(classes, 64, 64)
    x = taps()
    logits = fcn8s_head(x, K + 1, Fcn8sHead(channels=8))
    yield "fcn8s, pixelclass", x, logits, loss, lambda out: pixelclass.decode(out, classes)

    bins = SimccCodec()
    loss = simcc.simcc_loss(bins, SIZE)
    x = taps()[:1]
    head = SimccHead(hidden=8, key_size=4)
    logits = simcc_head(x[0], head, K, simcc.bins(bins, SIZE))
    yield "simcc", x, logits, loss, lambda out: simcc.decode(out, bins, SIZE)


if __name__ == "__main__":
    np.savez(sys.argv[1], allow_pickle=False, **answers())
