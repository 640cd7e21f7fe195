"""Gives batch normalisations that are folded into convolutions the statistics of real crops."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers

from service.inference.types import Floats, Pixels

_BATCH = 8


def unfold(network: keras.Model, crops: Pixels) -> None:
    """Gives each normalisation whose mean is 0 real statistics; the network answers as before.

    A folded normalisation only scales and shifts: its statistics say nothing about what it sees, so
    that a network that trains would compute something else than one that serves.

    Args:
        network: as `build_network` makes it.
        crops: uint8 `[N, H, W, 3]` to take the statistics from.
    """
    normalise = keras.Model(network.input, network.get_layer("normalise").output)
    normalised = np.asarray(normalise.predict(crops, batch_size=_BATCH, verbose=0))
    _unfold(network.get_layer("backbone"), normalised)
    _unfold(network, crops)


def _unfold(network: keras.Model, inputs: Any) -> None:
    norms = [
        layer
        for layer in network.layers
        if isinstance(layer, layers.BatchNormalization) and _is_folded(layer)
    ]
    if not norms:
        return
    seen = keras.Model(network.input, [norm.input for norm in norms])
    moments = [
        [(x.mean(axis=(0, 1, 2)), np.square(x).mean(axis=(0, 1, 2))) for x in _maps(seen, batch)]
        for batch in np.array_split(inputs, math.ceil(len(inputs) / _BATCH))
    ]
    for norm, ofs in zip(norms, zip(*moments, strict=True), strict=True):
        mean, square = np.mean(np.array(ofs), axis=0)
        variance = np.maximum(square - np.square(mean), 0)
        gamma, beta, _, before = norm.get_weights()
        scale = gamma / np.sqrt(before + norm.epsilon)
        norm.set_weights(
            [scale * np.sqrt(variance + norm.epsilon), beta + scale * mean, mean, variance]
        )


def _is_folded(norm: keras.Layer) -> bool:
    return bool((np.asarray(norm.moving_mean) == 0).all())


def _maps(model: keras.Model, batch: Any) -> list[Floats]:
    return [np.asarray(x, np.float64) for x in keras.tree.flatten(model.predict_on_batch(batch))]
