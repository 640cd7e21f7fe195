"""Takes the least used channels out of a trained MobileNetV2, so that it computes less.

Source: Molchanov et al. 2019, Importance Estimation for Neural Network Pruning, for channels whose
share in what follows is known: inside an inverted residual block each channel is one summand.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels

Channels = npt.NDArray[np.intp]

_BATCH = 8


def copy_slimmed(wide: keras.Model, narrow: keras.Model, crops: Pixels) -> None:
    """Fills a network with the weights of one with more `backbone.expansion` or `deep_channels`.

    Of each block, and of the deep convolution of the pyramid, the channels stay that move what
    follows most on the crops: the variance of a channel times the square of its weights in the
    projection. What the others add on average goes into the bias after the projection.

    Args:
        wide: trained, as `build_network` makes it.
        narrow: untrained; gets the weights.
        crops: uint8 `[N, H, W, 3]` of real people.

    Raises:
        InvalidData: they differ in something else, or `wide` is the smaller one.
    """
    blocks = _blocks(wide.get_layer("backbone"))
    if blocks != _blocks(narrow.get_layer("backbone")):
        raise InvalidData("slim: the networks have different blocks")
    moments = dict(zip(blocks, _moments(wide, blocks, crops), strict=True))
    kept = {block: _strongest(wide, narrow, block, moments[block][1]) for block in blocks}
    deep = _slim_deep(wide, narrow, crops)
    pairs = [(wide, narrow), (wide.get_layer("backbone"), narrow.get_layer("backbone"))]
    for source, target in pairs:
        for layer in target.layers:
            if isinstance(layer, keras.Model) or not layer.weights:
                continue
            block, part = _place(layer.name)
            weights = source.get_layer(layer.name).get_weights()
            if block in kept:
                weights = _slice(weights, part, kept[block])
            weights = deep.get(layer.name, weights)
            try:
                layer.set_weights(weights)
            except ValueError as error:
                raise InvalidData(f"slim: the networks differ in {layer.name}: {error}") from error
    for block in blocks:
        _compensate(wide, narrow, block, moments[block][0], kept[block])


def _slim_deep(wide: keras.Model, narrow: keras.Model, crops: Pixels) -> dict[str, list[Floats]]:
    """Weights of the deep convolution and of what surrounds it, by layer; none without one."""
    names = {layer.name for layer in wide.layers}
    if "deep" not in names or "deep" not in {layer.name for layer in narrow.layers}:
        return {}
    model = keras.Model(wide.input, wide.get_layer("deep_relu").output)
    ((mean, variance),) = _moments_of(lambda batch: [model(batch)], crops)
    kernel, bias = wide.get_layer("lateral_0").get_weights()
    count = narrow.get_layer("deep").filters
    kept = _best(variance * np.square(kernel[0, 0]).sum(axis=-1), count, "deep")
    lost = np.setdiff1d(np.arange(len(mean)), kept)
    return {
        "deep": [weight[..., kept] for weight in wide.get_layer("deep").get_weights()],
        "deep_bn": [weight[..., kept] for weight in wide.get_layer("deep_bn").get_weights()],
        "lateral_0": [kernel[:, :, kept, :], bias + mean[lost] @ kernel[0, 0, lost]],
    }


def _blocks(backbone: keras.Model) -> list[str]:
    return [layer.name[: -len("_expand")] for layer in backbone.layers if _is_expand(layer)]


def _is_expand(layer: keras.Layer) -> bool:
    return layer.name.endswith("_expand")


def _place(name: str) -> tuple[str, str]:
    """`block_3_expand_BN` → `block_3`, `expand_BN`."""
    words = name.split("_", 2)
    if words[0] != "block" or len(words) < 3:
        return "", name
    return f"{words[0]}_{words[1]}", words[2]


def _moments(wide: keras.Model, blocks: list[str], crops: Pixels) -> list[tuple[Floats, Floats]]:
    """Mean and variance of each channel before the projection, for each block `[C]`."""
    backbone = wide.get_layer("backbone")
    outputs = [backbone.get_layer(f"{block}_depthwise_relu").output for block in blocks]
    inside = keras.Model(backbone.input, outputs)
    normalise = keras.Model(wide.input, wide.get_layer("normalise").output)
    return _moments_of(lambda batch: keras.tree.flatten(inside(normalise(batch))), crops)


def _moments_of(
    maps_of: Callable[[Pixels], list[Any]], crops: Pixels
) -> list[tuple[Floats, Floats]]:
    """Mean and variance of each channel of each map, over all crops."""
    sums: list[list[Floats]] = []
    for batch in np.array_split(crops, math.ceil(len(crops) / _BATCH)):
        maps = [np.asarray(x, np.float64) for x in maps_of(batch)]
        sums.append([np.stack([x, np.square(x)]).mean(axis=(1, 2, 3)) for x in maps])
    averages = [np.mean(np.stack(parts), axis=0) for parts in zip(*sums, strict=True)]
    return [(mean, square - np.square(mean)) for mean, square in averages]


def _strongest(wide: keras.Model, narrow: keras.Model, block: str, variance: Floats) -> Channels:
    """The indices of the channels that stay, in their order."""
    (kernel,) = wide.get_layer("backbone").get_layer(f"{block}_project").get_weights()
    share = variance * np.square(kernel[0, 0]).sum(axis=-1)
    count = narrow.get_layer("backbone").get_layer(f"{block}_expand").filters
    return _best(share, count, block)


def _best(share: Floats, count: int, name: str) -> Channels:
    if count > len(share):
        raise InvalidData(f"slim: {name} has {len(share)} channels, less than the {count} wanted")
    return np.sort(np.argsort(-share)[:count])


def _compensate(
    wide: keras.Model, narrow: keras.Model, block: str, mean: Floats, kept: Channels
) -> None:
    """Moves what the lost channels add on average into the batch normalisation that follows."""
    (kernel,) = wide.get_layer("backbone").get_layer(f"{block}_project").get_weights()
    lost = np.setdiff1d(np.arange(len(mean)), kept)
    norm = narrow.get_layer("backbone").get_layer(f"{block}_project_BN")
    gamma, beta, moving_mean, variance = norm.get_weights()
    norm.set_weights([gamma, beta, moving_mean - mean[lost] @ kernel[0, 0, lost], variance])


def _slice(weights: list[Floats], part: str, channels: Channels) -> list[Floats]:
    match part:
        case "expand" | "expand_BN" | "depthwise_BN":
            return [weight[..., channels] for weight in weights]
        case "depthwise" | "project":
            return [weight[:, :, channels, :] for weight in weights]
        case _:
            return weights
