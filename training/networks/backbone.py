"""Backbones of `keras.applications`, tapped at several strides."""

from pathlib import Path

import keras

from service.inference.errors import InvalidData
from training.config import BackboneConfig


def build_backbone(config: BackboneConfig, weights: str) -> keras.Model:
    """A graph from normalised RGB in -1..1 `[N, H, W, 3]` to the taps, deepest first.

    Args:
        config: which network and layers.
        weights: `imagenet`, `none`, or the path of an `include_top=False` weights file.

    Raises:
        InvalidData: the weights file or a tap does not exist, or the weights do not fit.

    Source: Sandler et al. 2018, MobileNetV2.
    """
    network = keras.applications.MobileNetV2(
        input_shape=(None, None, 3),
        alpha=config.alpha,
        include_top=False,
        weights="imagenet" if weights == "imagenet" else None,
    )
    if weights not in ("imagenet", "none"):
        _load_weights(network, Path(weights))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = config.batch_norm_momentum
            layer.trainable = not config.frozen_batch_norm
    if config.frozen:
        network.trainable = False
    try:
        taps = [network.get_layer(name).output for name in config.taps]
    except ValueError as error:
        raise InvalidData(f"backbone.taps: {config.name} lacks a layer: {error}") from error
    return keras.Model(network.input, taps, name="backbone")


def _load_weights(network: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise InvalidData(f"backbone_weights: no file {path}; expected imagenet, none or a file")
    try:
        network.load_weights(path)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InvalidData(
            f"backbone_weights: {path} does not fit {network.name}: {reason}"
        ) from error
