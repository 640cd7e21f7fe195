"""A network's own preprocessing as layers that every export knows."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from service.inference.types import Floats


def normalisation(
    preprocess: Callable[[Any], Any],
) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """What makes of RGB in 0..255 what `preprocess` makes of it.

    That is affine in each channel, perhaps after a change of RGB to BGR, so its values for black
    and for the three pure colours determine it.

    Args:
        preprocess: as the `preprocess_input` of a module of `keras.applications`.
    """
    black = _colour(preprocess, (0, 0, 0))
    pure = np.stack([_colour(preprocess, colour) - black for colour in np.eye(3) * 255.0])
    reversed_channels = pure[0, 0] == 0
    scale = (pure[::-1] if reversed_channels else pure).diagonal() / 255

    def normalise(x: keras.KerasTensor) -> keras.KerasTensor:
        if reversed_channels:
            x = keras.ops.flip(x, axis=-1)
        return layers.Rescaling(_plain(scale), offset=_plain(black), name="normalise")(x)

    return normalise


def _plain(channels: Floats) -> float | list[float]:
    """One number where all channels agree: ONNX Runtime is far slower with three."""
    values: list[float] = channels.tolist()
    return values[0] if len(set(values)) == 1 else values


def _colour(preprocess: Callable[[Any], Any], rgb: Sequence[float] | Floats) -> Floats:
    pixel = np.array(rgb, np.float64).reshape(1, 1, 1, 3)
    return np.asarray(preprocess(pixel)).ravel()
