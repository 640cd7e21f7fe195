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
    # Without a prior the answers are the values themselves; they start near 0, where most are.
    kernel = "glorot_uniform" if prior else keras.initializers.RandomNormal(stddev=0.001)
    return layers.Conv2D(
        channels,
        1,
        kernel_initializer=kernel,
        bias_initializer=prior_bias(prior),
        dtype="float32",
        name="logits",
    )(x)


def prior_bias(prior: float | None) -> keras.initializers.Initializer:
    """Logits start near the log-odds of the prior, or near 0 without one."""
    log_odds = 0.0 if prior is None else float(np.log(prior / (1 - prior)))
    return keras.initializers.Constant(log_odds)
