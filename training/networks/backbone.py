"""Backbones of `keras.applications`, from uint8 pictures to feature maps at several strides."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from service.inference.types import Floats
from training.networks.config import BackboneConfig, Tap


def build_backbone(
    config: BackboneConfig, weights: str, size: InputSize
) -> tuple[keras.Model, Callable[[keras.KerasTensor], keras.KerasTensor]]:
    """A graph from normalised pictures to the taps, deepest first, and the normalisation it needs.

    Args:
        config: which network and layers.
        weights: `imagenet`, `none`, or the path of an `include_top=False` weights file.
        size: of the input.

    Returns:
        The graph, float `[N, H, W, 3]` → list of maps; and what makes its input from RGB in 0..255.

    Raises:
        InvalidData: there is no such network, weights file or tap, or the weights do not fit.
    """
    make = _application(config.name)
    scale = {} if config.alpha == 1 else {"alpha": config.alpha}
    try:
        network = make(
            input_shape=(size.height, size.width, 3),
            include_top=False,
            weights="imagenet" if weights == "imagenet" else None,
            **scale,
        )
    except TypeError as error:
        raise InvalidData(f"backbone.alpha: {config.name} has one width only: {error}") from error
    if weights not in ("imagenet", "none"):
        _load_weights(network, Path(weights))
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = config.batch_norm_momentum
            layer.trainable = not config.frozen_batch_norm
    if config.frozen:
        network.trainable = False
    taps = [_tap(network, tap, size) for tap in config.taps]
    preprocess = sys.modules[make.__module__].preprocess_input
    return keras.Model(network.input, taps, name="backbone"), _normalisation(preprocess)


def _application(name: str) -> Callable[..., keras.Model]:
    """The function of `keras.applications` of that name, whatever its case and hyphens."""
    wanted = name.lower().replace("-", "").replace("_", "")
    members: dict[str, Any] = vars(keras.applications)
    known = {name.lower(): make for name, make in members.items() if name[0].isupper()}
    if wanted not in known:
        raise InvalidData(
            f"backbone.name: no network {name!r}; expected one of {', '.join(sorted(known))}"
        )
    return known[wanted]


def _tap(network: keras.Model, tap: Tap, size: InputSize) -> keras.KerasTensor:
    if isinstance(tap, str):
        try:
            return network.get_layer(tap).output
        except ValueError as error:
            raise InvalidData(f"backbone.taps: {network.name} lacks a layer: {error}") from error
    wanted = (size.height // tap, size.width // tap)
    for layer in reversed(network.layers):
        if tuple(layer.output.shape[1:3]) == wanted:
            return layer.output
    raise InvalidData(f"backbone.taps: {network.name} has no layer of stride {tap}")


def _normalisation(
    preprocess: Callable[[Any], Any],
) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """`preprocess_input` as layers that every export knows.

    It is affine in each channel, perhaps after a change of RGB to BGR, so its values for black and
    for the three pure colours determine it.
    """
    black = _colour(preprocess, (0, 0, 0))
    pure = np.stack([_colour(preprocess, colour) - black for colour in np.eye(3) * 255.0])
    reversed_channels = pure[0, 0] == 0
    scale = (pure[::-1] if reversed_channels else pure).diagonal() / 255

    def normalise(x: keras.KerasTensor) -> keras.KerasTensor:
        if reversed_channels:
            x = keras.ops.flip(x, axis=-1)
        return layers.Rescaling(scale.tolist(), offset=black.tolist(), name="normalise")(x)

    return normalise


def _colour(preprocess: Callable[[Any], Any], rgb: Sequence[float] | Floats) -> Floats:
    pixel = np.array(rgb, np.float64).reshape(1, 1, 1, 3)
    return np.asarray(preprocess(pixel)).ravel()


def _load_weights(network: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise InvalidData(f"backbone_weights: no file {path}; expected imagenet, none or a file")
    try:
        if path.suffix == ".npz":
            _load_arrays(network, path)
        else:
            network.load_weights(path)
    except (ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidData(
            f"backbone_weights: {path} does not fit {network.name}: {reason}"
        ) from error


def _load_arrays(network: keras.Model, path: Path) -> None:
    """Arrays named `LAYER/WEIGHT`, for every weight of the network."""
    with np.load(path) as arrays:
        for layer in network.layers:
            for weight in layer.weights:
                weight.assign(arrays[f"{layer.name}/{weight.name}"].astype(np.float32))
