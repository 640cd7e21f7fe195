"""Takes the least used channels out of a trained network, so that it computes less.

Wherever a 1x1 convolution reads channels that nobody else does, each of them is one summand: inside
the inverted residual blocks of MobileNetV2 and of the pyramid, and after its deep convolution.

Source: Molchanov et al. 2019, Importance Estimation for Neural Network Pruning, for channels whose
share in what follows is known.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels

Moments = tuple[Floats, Floats]
"""Mean and variance of each channel, `[C]` each."""
Channels = npt.NDArray[np.intp]

_BATCH = 8


@dataclass(frozen=True, slots=True)
class _Inside:
    """Channels that one convolution alone reads, by the names of the layers around them.

    Attributes:
        made: the convolution that makes them, and what gives each channel its scale; from their
            weights the last axis is cut.
        depthwise: that works on them, if any.
        read: where their values are read.
        project: the 1x1 convolution that reads them.
        norm: that follows it, if any.
    """

    made: tuple[str, ...]
    depthwise: str | None
    read: str
    project: str
    norm: str | None


def copy_slimmed(wide: keras.Model, narrow: keras.Model, crops: Pixels) -> None:
    """Fills a network with the weights of one that has more channels inside its blocks.

    Of each block, and of the deep convolution of the pyramid, the channels stay that move what
    follows most on the crops: the variance of a channel times the square of its weights in the
    projection. What the others add on average goes into the bias after the projection.

    Args:
        wide: trained, as `build_network` makes it.
        narrow: untrained, with less `backbone.expansion`, `neck.refine_expansion` or
            `neck.deep_channels`; gets the weights.
        crops: uint8 `[N, H, W, 3]` of real people.

    Raises:
        InvalidData: they differ in something else, or `wide` is the smaller one.
    """
    layers, targets = _layers(wide), _layers(narrow)
    places = [place for place in _insides(layers) if place.made[0] in targets]
    weights = {name: layer.get_weights() for name, layer in layers.items()}
    for place, moments in zip(places, _moments(wide, places, crops), strict=True):
        weights |= _slimmed(place, weights, moments, targets[place.made[0]].filters)
    for name, target in targets.items():
        try:
            target.set_weights(weights[name])
        except (KeyError, ValueError) as error:
            raise InvalidData(f"slim: the networks differ in {name}: {error}") from error


def _layers(network: keras.Model) -> dict[str, keras.Layer]:
    """The layers with weights by name, those of the backbone too."""
    every = [*network.get_layer("backbone").layers, *network.layers]
    return {
        layer.name: layer for layer in every if layer.weights and not isinstance(layer, keras.Model)
    }


def _insides(names: Mapping[str, object]) -> Iterator[_Inside]:
    for name in names:
        block, _, part = name.rpartition("_")
        if part == "expand":
            bn = "bn" if f"{block}_expand_bn" in names else "BN"
            yield _Inside(
                made=(name, f"{block}_expand_{bn}", f"{block}_depthwise_{bn}"),
                depthwise=f"{block}_depthwise",
                read=f"{block}_depthwise_relu",
                project=f"{block}_project",
                norm=f"{block}_project_{bn}",
            )
        elif name == "deep":
            yield _Inside(("deep", "deep_bn"), None, "deep_relu", "lateral_0", None)


def _moments(wide: keras.Model, places: list[_Inside], crops: Pixels) -> Iterator[Moments]:
    """Of what each place reads; in the order of the places, which begin in the backbone."""
    backbone = wide.get_layer("backbone")
    known = {layer.name for layer in backbone.layers}
    within = [backbone.get_layer(one.read).output for one in places if one.read in known]
    behind = [wide.get_layer(one.read).output for one in places if one.read not in known]
    if within:
        inside = keras.Model(backbone.input, within)
        normalise = keras.Model(wide.input, wide.get_layer("normalise").output)
        yield from _moments_of(lambda batch: inside(normalise(batch)), crops)
    if behind:
        yield from _moments_of(keras.Model(wide.input, behind), crops)


def _moments_of(maps_of: Callable[[Pixels], Any], crops: Pixels) -> list[Moments]:
    """Over all crops, for each map."""
    sums: list[list[Floats]] = []
    for batch in np.array_split(crops, math.ceil(len(crops) / _BATCH)):
        maps = [np.asarray(x, np.float64) for x in keras.tree.flatten(maps_of(batch))]
        sums.append([np.stack([x, np.square(x)]).mean(axis=(1, 2, 3)) for x in maps])
    averages = [np.mean(np.stack(parts), axis=0) for parts in zip(*sums, strict=True)]
    return [(mean, square - np.square(mean)) for mean, square in averages]


def _slimmed(
    place: _Inside, weights: Mapping[str, list[Floats]], moments: Moments, count: int
) -> dict[str, list[Floats]]:
    """The new weights of the layers around a place that keeps `count` channels."""
    mean, variance = moments
    kernel, *bias = weights[place.project]
    kept = _best(variance * np.square(kernel[0, 0]).sum(axis=-1), count, place.made[0])
    lost = np.setdiff1d(np.arange(len(mean)), kept)
    added = mean[lost] @ kernel[0, 0, lost]
    slim = {name: [each[..., kept] for each in weights[name]] for name in place.made}
    slim[place.project] = [kernel[:, :, kept], *(each + added for each in bias)]
    if place.depthwise is not None:
        slim[place.depthwise] = [each[:, :, kept] for each in weights[place.depthwise]]
    if place.norm is not None:
        gamma, beta, moving_mean, moving_variance = weights[place.norm]
        slim[place.norm] = [gamma, beta, moving_mean - added, moving_variance]
    return slim


def _best(share: Floats, count: int, name: str) -> Channels:
    """The indices of the channels that stay, in their order."""
    if count > len(share):
        raise InvalidData(f"slim: {name} has {len(share)} channels, less than the {count} wanted")
    return np.sort(np.argsort(-share)[:count])
