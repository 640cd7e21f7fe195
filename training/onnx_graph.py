"""Keras to ONNX."""

import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import onnx

from service.inference.errors import InvalidInput
from training.notices import only_errors_of
from training.onnx_form import check_graph, tidy

OPSET = 18
# Of a map whose sides are open, for the one call that Keras wants.
_ANY_SIDE = 16
# Parts of the package have no types: what is taken from it is typed where it is taken.
_onnx = cast("Any", onnx)


def to_onnx(network: keras.Model) -> onnx.ModelProto:
    """The graph of a network with a dynamic batch axis called `N`.

    Args:
        network: with one input, and outputs whose names the graph shall have.

    Raises:
        InvalidInput: Keras runs on another backend than TensorFlow.
        InvalidBundle: the network has an operation that ONNX does not know.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InvalidInput(
            f"KERAS_BACKEND is {backend}, but ONNX is written through TensorFlow: export with "
            "KERAS_BACKEND=tensorflow, which loads the weights of every backend"
        )
    model = tidy(_convert(network))
    check_graph(model, network.name)
    return model


def _convert(network: keras.Model) -> onnx.ModelProto:
    # Keras exports only what has been called once.
    shape = [axis or _ANY_SIDE for axis in network.input.shape[1:]]
    network(np.zeros((1, *shape), network.input.dtype))
    with tempfile.TemporaryDirectory() as folder, _quiet_converter():
        path = Path(folder) / "raw.onnx"
        network.export(path, format="onnx", opset_version=OPSET, verbose=False)
        model: onnx.ModelProto = _onnx.load(path)
    return model


@contextmanager
def _quiet_converter() -> Generator[None]:
    # It goes on without an optimisation that fails, as one does on MobileNetV3's sums with a
    # number, but prints a traceback.
    with only_errors_of("tf2onnx.optimizer"), warnings.catch_warnings():
        # Keras probes numpy for a name that numpy has removed.
        warnings.filterwarnings("ignore", message=r".*np\.object", category=FutureWarning)
        yield
