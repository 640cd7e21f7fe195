"""EfficientNet-Lite0: ReLU6 and no squeeze-and-excitation, so that it quantises well."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from service.inference.card import InputSize


@dataclass(frozen=True, slots=True)
class _Stage:
    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


_STEM, _HEAD = 32, 1280
_STAGES = (
    _Stage(kernel=3, stride=1, expansion=1, channels=16, blocks=1),
    _Stage(kernel=3, stride=2, expansion=6, channels=24, blocks=2),
    _Stage(kernel=5, stride=2, expansion=6, channels=40, blocks=2),
    _Stage(kernel=3, stride=2, expansion=6, channels=80, blocks=3),
    _Stage(kernel=5, stride=1, expansion=6, channels=112, blocks=3),
    _Stage(kernel=5, stride=2, expansion=6, channels=192, blocks=4),
    _Stage(kernel=3, stride=1, expansion=6, channels=320, blocks=1),
)


def preprocess_input(x: Any) -> Any:
    """RGB in 0..255 as the ImageNet weights expect it."""
    return (x - 127.0) / 128.0


def efficientnet_lite0(size: InputSize) -> keras.Model:
    """The network without its classifier, `[N, H, W, 3]` → `[N, H / 32, W / 32, 1280]`.

    Source: Tan and Le 2019, EfficientNet, table 1; the lite variant of its authors (2020).
    """
    image = keras.Input((size.height, size.width, 3))
    x = layers.Conv2D(_STEM, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(image)
    x = _normalise(x, "stem", activate=True)
    number = 0
    for stage in _STAGES:
        for block in range(stage.blocks):
            stride = stage.stride if block == 0 else 1
            x = _block(x, stage, stride, f"block{number}")
            number += 1
    x = layers.Conv2D(_HEAD, 1, use_bias=False, name="head_conv")(x)
    return keras.Model(image, _normalise(x, "head", activate=True), name="efficientnet_lite0")


def _block(x: keras.KerasTensor, stage: _Stage, stride: int, name: str) -> keras.KerasTensor:
    """An inverted residual block."""
    before = x
    if stage.expansion > 1:
        width = stage.expansion * x.shape[-1]
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_expand")(x)
        x = _normalise(x, f"{name}_expand", activate=True)
    x = layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_dw"
    )(x)
    x = _normalise(x, f"{name}_dw", activate=True)
    x = layers.Conv2D(stage.channels, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalise(x, f"{name}_project", activate=False)
    return layers.Add(name=f"{name}_add")([x, before]) if x.shape == before.shape else x


def _normalise(x: keras.KerasTensor, name: str, *, activate: bool) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if activate else x
