"""Puts a backbone, a pyramid and a head together as the configuration says."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from training.codecs import centernet, heatmap
from training.config import CenterNetCodec, HeatmapCodec, TrainConfig
from training.networks.backbone import build_backbone
from training.networks.head import dense_head
from training.networks.neck import feature_pyramid

_PRIOR = 0.01


def build_network(config: TrainConfig, skeleton: Skeleton | None) -> keras.Model:
    """The trainable graph: uint8 RGB `[N, H, W, 3]` → logits `[N, h, w, C]`.

    Normalisation is its first layer, so that training, export and serving share it.

    Raises:
        InvalidData: weights to start from do not exist or do not fit.
    """
    size = config.input
    image = keras.Input((size.height, size.width, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(image)
    taps = build_backbone(config.backbone, config.backbone_weights)(x)
    x = feature_pyramid(taps, config.pyramid, config.backbone.batch_norm_momentum)
    logits = dense_head(x, config.head_channels, _output_channels(config, skeleton), _PRIOR)
    network = keras.Model(image, logits, name=config.recipe.replace("-", "_"))
    _check_stride(network, config)
    if config.init_weights is not None:
        load_matching_weights(network, config.init_weights)
    return network


def with_decoder(network: keras.Model, config: TrainConfig) -> keras.Model:
    """The graph that is exported: the same input, answers as the contract names them."""
    logits = network.output
    match config.codec:
        case HeatmapCodec() as codec:
            answer = {"keypoints": _named("keypoints", heatmap.decode(logits, codec))}
        case CenterNetCodec() as codec:
            boxes, scores = centernet.decode(logits, codec)
            answer = {"boxes": _named("boxes", boxes), "scores": _named("scores", scores)}
    return keras.Model(network.input, answer, name=f"{network.name}_decoded")


def load_matching_weights(network: keras.Model, path: Path) -> None:
    """Loads the layers of a weights file that have the network's names and shapes.

    Raises:
        InvalidData: no such file, or nothing in it fits.
    """
    if not path.is_file():
        raise InvalidData(f"init_weights: no file {path}")
    before = [np.asarray(weight).copy() for weight in network.weights]
    network.load_weights(path, skip_mismatch=True)
    changed = any(
        (np.asarray(weight) != old).any()
        for weight, old in zip(network.weights, before, strict=True)
    )
    if not changed:
        raise InvalidData(f"init_weights: nothing in {path} fits the network {network.name}")


def _output_channels(config: TrainConfig, skeleton: Skeleton | None) -> int:
    match config.codec:
        case HeatmapCodec():
            if skeleton is None:
                raise InvalidData("skeleton: a heatmap network needs keypoint names")
            return len(skeleton.names)
        case CenterNetCodec():
            return centernet.CHANNELS


def _check_stride(network: keras.Model, config: TrainConfig) -> None:
    stride = config.input.height // network.output.shape[1]
    if stride != config.codec.stride:
        raise InvalidData(
            f"codec.stride is {config.codec.stride} but the pyramid ends at stride {stride}"
        )


def _named(name: str, tensor: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Identity(name=name)(tensor)
