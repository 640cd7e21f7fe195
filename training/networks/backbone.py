"""Backbones, from normalised pictures to feature maps at several strides."""

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import keras
from keras import layers

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from training.networks import efficientnet_lite
from training.networks.backbone_weights import copy_imagenet_weights, load_backbone_weights
from training.networks.config import BackboneConfig, Tap
from training.networks.normalisation import normalisation

_LITE = "efficientnetlite0"
_USUAL_EXPANSION = 6
_CHANNEL_BLOCK = 16
"""What ONNX Runtime computes at once with AVX-512; fewer channels cost as much."""


def build_backbone(
    config: BackboneConfig, weights: str, size: InputSize
) -> tuple[keras.Model, Callable[[keras.KerasTensor], keras.KerasTensor]]:
    """A graph from normalised pictures to the taps, deepest first, and the normalisation it needs.

    Args:
        config: which network and layers.
        weights: `imagenet`, `none`, or the path of a weights file of the network without its top.
        size: of the input.

    Returns:
        The graph, float `[N, H, W, 3]` → list of maps; and what makes its input from RGB in 0..255.

    Raises:
        InvalidData: there is no such network, weights file or tap, or the weights do not fit.
    """
    network = _network(config, size, None)
    number_layers(network)
    if config.expansion != _USUAL_EXPANSION:
        network = _with_expansion(network, config, weights)
    elif weights == "imagenet":
        copy_imagenet_weights(_network(config, size, "imagenet"), network)
    elif weights != "none":
        load_backbone_weights(network, Path(weights))
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = config.batch_norm_momentum
            layer.trainable = not config.frozen_batch_norm
    if config.frozen:
        network.trainable = False
    taps = [_tap(network, tap, size) for tap in config.taps]
    return keras.Model(network.input, taps, name="backbone"), normalisation(_preprocess(config))


def _network(
    config: BackboneConfig, size: InputSize, weights: Literal["imagenet"] | None
) -> keras.Model:
    if _plain(config.name) == _LITE:
        if weights is not None:
            raise InvalidData(
                f"backbone_weights: {config.name} has no ImageNet weights to download; expected "
                "none or a file"
            )
        if config.alpha != 1:
            raise InvalidData(f"backbone.alpha: {config.name} has one width only")
        return efficientnet_lite.efficientnet_lite0(size)
    make = _application(config.name)
    scale = {} if config.alpha == 1 else {"alpha": config.alpha}
    try:
        with warnings.catch_warnings():
            # Without its top a network takes every size, whichever its weights were learnt at.
            warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
            return make(
                input_shape=(size.height, size.width, 3),
                include_top=False,
                weights=weights,
                **scale,
            )
    except TypeError as error:
        raise InvalidData(f"backbone.alpha: {config.name} has one width only: {error}") from error
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InvalidData(f"backbone: {config.name} cannot be built: {reason}") from error
    except Exception as error:
        # Keras has no class of its own for a failed download.
        if not isinstance(error.__context__, OSError):
            raise
        raise InvalidData(
            f"backbone_weights: cannot download ImageNet weights of {config.name} "
            f"({error.__context__}); expected none or a file, or an internet connection"
        ) from error


def _with_expansion(network: keras.Model, config: BackboneConfig, weights: str) -> keras.Model:
    """MobileNetV2 with fewer channels inside its blocks; those between them, and taps, stay."""
    if _plain(config.name) != "mobilenetv2":
        raise InvalidData(f"backbone.expansion: {config.name} has one expansion only")
    if weights != "none":
        raise InvalidData(
            f"backbone_weights: {weights} has an expansion of {_USUAL_EXPANSION} and not "
            f"{config.expansion:g}; train with that, then make it smaller with the verb slim"
        )

    def clone(layer: Any) -> Any:
        settings = layer.get_config()
        if layer.name.endswith("_expand") and f"{layer.name}_relu" not in config.taps:
            channels = config.expansion * layer.input.shape[-1]
            settings["filters"] = max(round(channels / _CHANNEL_BLOCK), 1) * _CHANNEL_BLOCK
        return layer.__class__.from_config(settings)

    return keras.models.clone_model(network, clone_function=clone)


def number_layers(network: keras.Model) -> None:
    """Numbers the layers that Keras named itself from 0 in each network.

    Keras counts them in each process, and files of weights know layers by their names.
    """
    unnamed = defaultdict[str, list[tuple[int, keras.Layer]]](list)
    for layer in network.layers:
        kind, _, number = layer.name.rpartition("_")
        if not (kind and number.isdecimal()):
            kind, number = layer.name, "0"
        if kind.replace("_", "") == type(layer).__name__.lower():
            unnamed[kind].append((int(number), layer))
    for kind, members in unnamed.items():
        for index, (_, layer) in enumerate(sorted(members, key=lambda member: member[0])):
            layer.name = f"{kind}_{index}" if index else kind


def _application(name: str) -> Callable[..., keras.Model]:
    """The function of `keras.applications` of that name, whatever its case and hyphens."""
    members = cast("dict[str, Any]", vars(keras.applications))
    known = {name.lower(): make for name, make in members.items() if name[0].isupper()}
    if _plain(name) not in known:
        names = ", ".join(sorted([*known, "efficientnet-lite0"]))
        raise InvalidData(f"backbone.name: no network {name!r}; expected one of {names}")
    return known[_plain(name)]


def _preprocess(config: BackboneConfig) -> Callable[[Any], Any]:
    """The function that the authors of a network put before it."""
    if _plain(config.name) == _LITE:
        return efficientnet_lite.preprocess_input
    return sys.modules[_application(config.name).__module__].preprocess_input


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _tap(network: keras.Model, tap: Tap, size: InputSize) -> keras.KerasTensor:
    if isinstance(tap, str):
        try:
            return network.get_layer(tap).output
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise InvalidData(f"backbone.taps: {network.name} lacks a layer: {reason}") from error
    wanted = (size.height // tap, size.width // tap)
    for layer in reversed(network.layers):
        if tuple(layer.output.shape[1:3]) == wanted:
            return layer.output
    raise InvalidData(f"backbone.taps: {network.name} has no layer of stride {tap}")
