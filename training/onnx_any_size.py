"""One graph for several sizes of the input.

Keras writes a graph for the size that a network was built with. What a detector does up to its
logits only names factors, no sizes, so the same nodes do for all; its decoder counts cells, and is
written for a size that is open.
"""

from typing import Any, cast

import keras
import onnx

from training.config import TrainConfig
from training.networks.build import MAP, decoder_of_any_size, with_decoder
from training.onnx_form import check_graph, tidy
from training.onnx_graph import to_onnx

_BODY = "body_"
# Parts of the package have no types: what is taken from it is typed where it is taken.
_onnx = cast("Any", onnx)


def network_to_onnx(network: keras.Model, config: TrainConfig) -> onnx.ModelProto:
    """The graph of a network with its decoder, for every size that its configuration names.

    The batch axis is called `N`, open sides `H` and `W`.

    Raises:
        InvalidInput: Keras runs on another backend than TensorFlow.
        InvalidBundle: the network has an operation that ONNX does not know.
    """
    if not config.other_inputs:
        return to_onnx(with_decoder(network, config))
    logits = keras.layers.Identity(name=MAP)(network.output)
    body = to_onnx(keras.Model(network.input, {MAP: logits}))
    _open_sides(body.graph.input[0], "H", "W")
    _open_sides(body.graph.output[0], "h", "w")
    joined = _onnx.compose.merge_models(
        _onnx.compose.add_prefix(body, _BODY, rename_inputs=False),
        to_onnx(decoder_of_any_size(network, config)),
        io_map=[(_BODY + MAP, MAP)],
    )
    model = tidy(joined)
    check_graph(model, network.name)
    return model


def _open_sides(value: onnx.ValueInfoProto, height: str, width: str) -> None:
    """Of a picture or map `[N, H, W, C]`."""
    _, rows, columns, _ = value.type.tensor_type.shape.dim
    rows.dim_param, columns.dim_param = height, width
