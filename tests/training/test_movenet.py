import json
from pathlib import Path

import keras
import numpy as np
import pytest

from service.inference.errors import InvalidData
from training.config import TrainConfig
from training.networks.build import build_network
from training.networks.movenet import load_movenet, read_tfjs_weights
from training.recipes import recipe
from training.skeletons import COCO

FPN = "StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1"
HEAD = "StatefulPartitionedCall/kpt_heatmap_0"


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Random tensors with the names and shapes of MoveNet Lightning."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {}
    laterals = [("", 1280, 64), ("_1", 64, 64), ("_2", 32, 32), ("_3", 24, 24)]
    for suffix, taken, given in laterals:
        shapes[f"{FPN}/conv2d{suffix}/Conv2D/ReadVariableOp"] = (1, 1, taken, given)
        shapes[f"{FPN}/conv2d{suffix}/BiasAdd/ReadVariableOp"] = (given,)
    for suffix, taken, given in [("", 64, 32), ("_1", 32, 24), ("_2", 24, 24)]:
        smooth = f"{FPN}/separable_conv2d{suffix}/separable_conv2d"
        shapes[f"{smooth}/ReadVariableOp"] = (3, 3, taken, 1)
        shapes[f"{smooth}_weights"] = (1, 1, taken, given)
        shapes[f"{smooth}_bn_offset"] = (given,)
    head = f"{HEAD}/separable_conv2d_4"
    shapes[f"{head}/separable_conv2d/ReadVariableOp"] = (3, 3, 24, 1)
    shapes[f"{head}/separable_conv2d/ReadVariableOp_1"] = (1, 1, 24, 96)
    shapes[f"{head}/BiasAdd/ReadVariableOp"] = (96,)
    shapes[f"{HEAD}/conv2d_5/Conv2D/ReadVariableOp"] = (1, 1, 96, 17)
    shapes[f"{HEAD}/conv2d_5/BiasAdd/ReadVariableOp"] = (17,)
    return {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def config() -> TrainConfig:
    size = recipe("mobilenetv2-heatmap").input.model_copy(update={"height": 64, "width": 64})
    changes = {"backbone_weights": "none", "input": size}
    return recipe("mobilenetv2-heatmap").model_copy(update=changes)


def test_unfolding_keeps_what_the_pyramid_computes(
    weights: dict[str, np.ndarray], config: TrainConfig
) -> None:
    network = build_network(config, COCO)
    crops = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8)
    load_movenet(network, weights, crops)
    merged = keras.Model(network.input, network.get_layer("merge_1").output)
    smooth = keras.Model(network.input, network.get_layer("smooth_1_relu").output)
    source = f"{FPN}/separable_conv2d/separable_conv2d"
    folded = keras.ops.separable_conv(
        merged.predict(crops, verbose=0),
        weights[f"{source}/ReadVariableOp"],
        weights[f"{source}_weights"],
        padding="same",
    )
    expected = np.maximum(np.asarray(folded) + weights[f"{source}_bn_offset"], 0)
    np.testing.assert_allclose(smooth.predict(crops, verbose=0), expected, atol=1e-4)
    norm = network.get_layer("smooth_1_bn")
    assert float(np.ptp(np.asarray(norm.moving_variance))) > 0


def test_another_shape_is_refused(weights: dict[str, np.ndarray], config: TrainConfig) -> None:
    pyramid = config.neck.model_copy(update={"channels": (48, 32, 24, 24)})
    network = build_network(config.model_copy(update={"neck": pyramid}), COCO)
    with pytest.raises(InvalidData, match="MoveNet's shape"):
        load_movenet(network, weights, np.zeros((1, 64, 64, 3), np.uint8))


def test_half_precision_tensors_are_read(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    count = np.array([7, 8], np.int32)
    (tmp_path / "x.bin").write_bytes(count.tobytes() + values.tobytes())
    specs = [
        {"name": "n", "shape": [2], "dtype": "int32"},
        {"name": "w", "shape": [2, 3], "dtype": "float32", "quantization": {"dtype": "float16"}},
    ]
    manifest = {"weightsManifest": [{"paths": ["x.bin"], "weights": specs}]}
    (tmp_path / "x.json").write_text(json.dumps(manifest))
    read = read_tfjs_weights(tmp_path / "x.json")
    np.testing.assert_array_equal(read["w"], values)
    np.testing.assert_array_equal(read["n"], count)


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InvalidData, match=r"x\.json"):
        read_tfjs_weights(tmp_path / "x.json")
