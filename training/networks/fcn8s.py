"""FCN-8s: scores of three depths, fused at the resolution of the input."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from training.networks.config import Fcn8sHead


def fcn8s_head(
    taps: Sequence[keras.KerasTensor], classes: int, config: Fcn8sHead
) -> keras.KerasTensor:
    """Logits per pixel from the maps at strides 32, 16 and 8.

    Transposed convolutions start as bilinear interpolation, and the scores of the two finer taps
    start at zero, so that training begins with the coarse answer.

    Args:
        taps: pool5, pool4 and pool3 of VGG16, or maps of the same strides.
        classes: joints and background.
        config: width of the fully convolutional layers, dropout.

    Returns:
        `[N, H, W, classes]` at the size of the input.

    Source: Long, Shelhamer and Darrell 2015, Fully Convolutional Networks, section 4.
    """
    deep, middle, fine = taps
    x = layers.Conv2D(config.channels, 7, padding="same", activation="relu", name="conv6")(deep)
    x = layers.Dropout(config.dropout, name="drop6")(x)
    x = layers.Conv2D(config.channels, 1, activation="relu", name="conv7")(x)
    x = layers.Dropout(config.dropout, name="drop7")(x)
    x = layers.Conv2D(classes, 1, name="score7")(x)
    x = _upsample(x, classes, 2, "up7")
    x = layers.Add(name="fuse4")([x, _skip_score(middle, classes, "score4")])
    x = _upsample(x, classes, 2, "up4")
    x = layers.Add(name="fuse3")([x, _skip_score(fine, classes, "score3")])
    return _upsample(x, classes, 8, "logits")


def _skip_score(x: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
    return layers.Conv2D(classes, 1, kernel_initializer="zeros", name=name)(x)


def _upsample(x: keras.KerasTensor, classes: int, factor: int, name: str) -> keras.KerasTensor:
    return layers.Conv2DTranspose(
        classes,
        2 * factor,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=bilinear,
        dtype="float32",
        name=name,
    )(x)


def bilinear(shape: Sequence[int], dtype: Any = None) -> Any:
    """A kernel `[2 f, 2 f, C, C]` with which a transposed convolution of stride f interpolates."""
    side, _, channels, _ = shape
    factor = side // 2
    line = 1 - np.abs(np.arange(side) - (side - 1) / 2) / factor
    kernel = np.zeros(shape, np.float32)
    kernel[:, :, range(channels), range(channels)] = np.outer(line, line)[:, :, None]
    return keras.ops.convert_to_tensor(kernel, dtype=dtype)
