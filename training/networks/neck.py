"""Necks: from a backbone's taps to one map at the highest resolution."""

import keras
from keras import layers

from training.networks.config import DeconvNeck, PyramidNeck


def feature_pyramid(
    taps: list[keras.KerasTensor], config: PyramidNeck, batch_norm_momentum: float
) -> keras.KerasTensor:
    """Adds the taps from deep to fine, each step followed by a separable convolution.

    Args:
        taps: feature maps, deepest first, each twice the size of the one before.
        config: channels per level and refinement blocks.
        batch_norm_momentum: of the batch normalisations.

    Returns:
        The map at the finest tap's resolution with `config.channels[-1]` channels.

    Source: Lin et al. 2017, Feature Pyramid Networks; the light form of MoveNet (2021).
    """
    channels = config.channels
    x = taps[0]
    if config.deep_channels:
        x = layers.Conv2D(config.deep_channels, 1, use_bias=False, name="deep")(x)
        x = _batch_norm(batch_norm_momentum, "deep_bn")(x)
        x = layers.ReLU(max_value=6, name="deep_relu")(x)
    x = layers.Conv2D(channels[0], 1, name="lateral_0")(x)
    for level, tap in enumerate(taps[1:], start=1):
        x = layers.UpSampling2D(interpolation="bilinear", name=f"up_{level}")(x)
        lateral = layers.Conv2D(channels[level - 1], 1, name=f"lateral_{level}")(tap)
        x = layers.Add(name=f"merge_{level}")([x, lateral])
        x = layers.SeparableConv2D(
            channels[level], 3, padding="same", use_bias=False, name=f"smooth_{level}"
        )(x)
        x = _batch_norm(batch_norm_momentum, f"smooth_{level}_bn")(x)
        x = layers.ReLU(name=f"smooth_{level}_relu")(x)
    for block in range(config.refine_blocks):
        x = _refine(x, config.refine_expansion, batch_norm_momentum, f"refine_{block}")
    return x


def deconv(
    x: keras.KerasTensor, config: DeconvNeck, batch_norm_momentum: float
) -> keras.KerasTensor:
    """Doubles the resolution once per entry of `config.channels`.

    Source: Xiao, Wu and Wei 2018, Simple Baselines, section 2.
    """
    for index, channels in enumerate(config.channels):
        x = layers.Conv2DTranspose(
            channels,
            config.kernel,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
            name=f"deconv_{index}",
        )(x)
        x = _batch_norm(batch_norm_momentum, f"deconv_{index}_bn")(x)
        x = layers.ReLU(name=f"deconv_{index}_relu")(x)
    return x


def _refine(
    x: keras.KerasTensor, expansion: float, momentum: float, name: str
) -> keras.KerasTensor:
    """An inverted residual block with a 5x5 kernel; it starts as the identity."""
    channels = x.shape[-1]
    y = layers.Conv2D(round(expansion * channels), 1, use_bias=False, name=f"{name}_expand")(x)
    y = _batch_norm(momentum, f"{name}_expand_bn")(y)
    y = layers.ReLU(name=f"{name}_expand_relu")(y)
    y = layers.DepthwiseConv2D(5, padding="same", use_bias=False, name=f"{name}_depthwise")(y)
    y = _batch_norm(momentum, f"{name}_depthwise_bn")(y)
    y = layers.ReLU(name=f"{name}_depthwise_relu")(y)
    y = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(y)
    y = _batch_norm(momentum, f"{name}_project_bn", gamma="zeros")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def _batch_norm(momentum: float, name: str, gamma: str = "ones") -> layers.Layer:
    return layers.BatchNormalization(momentum=momentum, gamma_initializer=gamma, name=name)
