"""Weights that a backbone starts from: ImageNet's or those of a file."""

import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import layers

from service.inference.errors import InvalidData


def load_backbone_weights(network: keras.Model, path: Path) -> None:
    """Loads a file for a network without its top.

    Args:
        network: as `keras.applications` makes it, or EfficientNet-Lite0.
        path: Keras weights (`.weights.h5`), a whole Keras model (`.keras`), the older `.h5`, or
            arrays named `LAYER/WEIGHT` (`.npz`).

    Raises:
        InvalidData: there is no such file, or it does not fit.
    """
    if not path.is_file():
        raise InvalidData(f"backbone_weights: no file {path}; expected imagenet, none or a file")
    try:
        if path.suffix == ".npz":
            _load_arrays(network, path)
        else:
            with warnings.catch_warnings():
                # One for each layer that does not fit, before the error that says so.
                warnings.simplefilter("ignore", UserWarning)
                network.load_weights(path)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0]
        raise InvalidData(
            f"backbone_weights: {path} does not fit {network.name}: {reason}"
        ) from error


def _load_arrays(network: keras.Model, path: Path) -> None:
    with np.load(path) as arrays:
        for layer in network.layers:
            for weight in layer.weights:
                weight.assign(arrays[f"{layer.name}/{weight.name}"].astype(np.float32))


def copy_imagenet_weights(trained: keras.Model, network: keras.Model) -> None:
    """Copies weights between two builds of a network, with and without ImageNet's.

    Only the second is used: its graph does not depend on the weights that a run started from, so
    that the run can be opened again without them.

    Args:
        trained: made with `weights="imagenet"`.
        network: made with `weights=None`.
    """
    network.set_weights(trained.get_weights())
    # EfficientNet B0 to B7 have one layer more with ImageNet's weights: a division by the square
    # root of each channel's deviation after the normalisation, which can do that as well.
    extra = [layer for layer in trained.layers if isinstance(layer, layers.Rescaling)][1:]
    for layer in network.layers:
        if isinstance(layer, layers.Normalization):
            for rescaling in extra:
                variance = np.asarray(layer.adapt_variance)
                layer.adapt_variance.assign(variance / np.square(rescaling.scale))
            layer.finalize_state()
