"""Puts a backbone, a pyramid and a head together as the configuration says."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from training.codecs import centernet, heatmap, pixelclass, simcc
from training.codecs.config import CenterNetCodec, HeatmapCodec, PixelClassCodec, SimccCodec
from training.config import TrainConfig
from training.networks.attention import attention_head
from training.networks.backbone import build_backbone
from training.networks.config import (
    AttentionHead,
    DeconvNeck,
    DenseHead,
    Fcn8sHead,
    PyramidNeck,
    SimccHead,
)
from training.networks.fcn8s import fcn8s_head
from training.networks.head import dense_head
from training.networks.neck import deconv, feature_pyramid
from training.networks.simcc_head import simcc_head

_PRIOR = 0.01
MAP = "map"
"""The name of what a decoder by itself takes."""


def build_network(config: TrainConfig, skeleton: Skeleton | None) -> keras.Model:
    """The trainable graph: uint8 RGB `[N, H, W, 3]` → logits as the codec wants them.

    Normalisation is its first layer, so that training, export and serving share it.

    Raises:
        InvalidData: weights to start from do not exist or do not fit.
    """
    size = config.input
    image = keras.Input((size.height, size.width, 3), dtype="uint8", name="image")
    backbone, normalise = build_backbone(config.backbone, config.backbone_weights, size)
    taps = keras.tree.flatten(backbone(normalise(image)))
    logits = _head(_neck(taps, config), config, _answers(config, skeleton))
    network = keras.Model(image, logits, name=config.recipe.replace("-", "_"))
    _check_stride(network, config)
    if config.init_weights is not None:
        load_matching_weights(network, config.init_weights)
    return network


def _neck(taps: list[keras.KerasTensor], config: TrainConfig) -> list[keras.KerasTensor]:
    momentum = config.backbone.batch_norm_momentum
    match config.neck:
        case PyramidNeck() as neck:
            return [feature_pyramid(taps, neck, momentum)]
        case DeconvNeck() as neck:
            return [deconv(taps[0], neck, momentum)]
        case None:
            return taps


def _head(maps: list[keras.KerasTensor], config: TrainConfig, answers: int) -> keras.KerasTensor:
    match config.head, config.codec:
        case DenseHead() as head, _:
            return dense_head(maps[0], head, answers, _prior(config))
        case AttentionHead() as head, _:
            return attention_head(maps[0], head, answers, _prior(config))
        case Fcn8sHead() as head, _:
            return fcn8s_head(maps, answers, head)
        case SimccHead() as head, SimccCodec() as codec:
            return simcc_head(maps[0], head, answers, simcc.bins(codec, config.input))
        case SimccHead(), codec:
            raise InvalidData(f"head simcc does not answer codec {codec.kind}")


def _prior(config: TrainConfig) -> float | None:
    """Of the answers that are a probability each."""
    match config.codec:
        case HeatmapCodec(loss="cross-entropy") | CenterNetCodec():
            return _PRIOR
        case _:
            return None


def with_decoder(network: keras.Model, config: TrainConfig) -> keras.Model:
    """The graph that is exported: the same input, answers as the contract names them."""
    answer = _decoded(network.output, config)
    return keras.Model(network.input, answer, name=f"{network.name}_decoded")


def decoder_of_any_size(network: keras.Model, config: TrainConfig) -> keras.Model:
    """What `with_decoder` adds, for logits `[N, h, w, C]` of any height and width."""
    logits = keras.Input((None, None, network.output.shape[-1]), name=MAP)
    return keras.Model(logits, _decoded(logits, config), name=f"{network.name}_decoder")


def _decoded(logits: keras.KerasTensor, config: TrainConfig) -> dict[str, keras.KerasTensor]:
    match config.codec:
        case HeatmapCodec() as codec:
            return {"keypoints": _named("keypoints", heatmap.decode(logits, codec))}
        case PixelClassCodec() as codec:
            return {"keypoints": _named("keypoints", pixelclass.decode(logits, codec))}
        case SimccCodec() as codec:
            keypoints = simcc.decode(logits, codec, config.input)
            return {"keypoints": _named("keypoints", keypoints)}
        case CenterNetCodec() as codec:
            boxes, scores = centernet.Decoder(codec)(logits)
            return {"boxes": _named("boxes", boxes), "scores": _named("scores", scores)}


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


def _answers(config: TrainConfig, skeleton: Skeleton | None) -> int:
    """Channels of a map, or joints."""
    if isinstance(config.codec, CenterNetCodec):
        return centernet.CHANNELS
    if skeleton is None:
        raise InvalidData(f"skeleton: codec {config.codec.kind} needs keypoint names")
    background = isinstance(config.codec, PixelClassCodec)
    return len(skeleton.names) + background


def _check_stride(network: keras.Model, config: TrainConfig) -> None:
    if isinstance(config.codec, SimccCodec):
        return
    stride = config.input.height // network.output.shape[1]
    if stride != config.codec.stride:
        raise InvalidData(
            f"codec.stride is {config.codec.stride} but the network ends at stride {stride}"
        )


def _named(name: str, tensor: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Identity(name=name)(tensor)
