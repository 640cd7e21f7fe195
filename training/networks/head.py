"""The dense head: per-cell predictions on a feature map."""

import keras
import numpy as np
from keras import layers

from training.networks.config import DenseHead


def dense_head(
    x: keras.KerasTensor, config: DenseHead, channels: int, prior: float | None
) -> keras.KerasTensor:
    """Logits per cell.

    Args:
        x: feature map `[N, h, w, C]`.
        config: channels of the separable convolution before, or 0 for none.
        channels: of the answer.
        prior: probability that the untrained net gives each cell; with a rare foreground, a half
            would drown the first steps in background (Lin et al. 2017, Focal Loss, section 3.3).
            None where answers are no probabilities: they start near 0.
    """
    if config.channels:
        x = layers.SeparableConv2D(
            config.channels, 3, padding="same", activation="relu", name="head"
        )(x)
    start = {} if prior is None else {"bias_initializer": _log_odds(prior)}
    return layers.Conv2D(channels, 1, dtype="float32", name="logits", **start)(x)


def _log_odds(probability: float) -> keras.initializers.Initializer:
    return keras.initializers.Constant(float(np.log(probability / (1 - probability))))
