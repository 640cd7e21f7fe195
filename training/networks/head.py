"""The dense head: per-cell predictions on a feature map."""

import keras
from keras import layers


def dense_head(x: keras.KerasTensor, hidden: int, channels: int, prior: float) -> keras.KerasTensor:
    """A separable 3x3 convolution and a 1x1 to `channels` logits per cell.

    Args:
        x: feature map `[N, h, w, C]`.
        hidden: channels of the separable convolution.
        channels: of the answer.
        prior: probability that the untrained net gives each cell; with a rare foreground, a half
            would drown the first steps in background (Lin et al. 2017, Focal Loss, section 3.3).
    """
    x = layers.SeparableConv2D(hidden, 3, padding="same", activation="relu", name="head")(x)
    bias = keras.initializers.Constant(float(keras.ops.log(prior / (1 - prior))))
    return layers.Conv2D(channels, 1, bias_initializer=bias, dtype="float32", name="logits")(x)
