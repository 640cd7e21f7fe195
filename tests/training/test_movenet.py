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
def config() -> TrainConfig:
    """The wide network, but small: MoveNet's shape does not depend on the widths."""
    wide = recipe("mobilenetv2-wide-heatmap")
    neck = wide.neck.model_copy(update={"deep_channels": 48})
    backbone = wide.backbone.model_copy(update={"alpha": 0.35})
    size = wide.input.model_copy(update={"height": 64, "width": 64})
    return wide.model_copy(update={"input": size, "backbone": backbone, "neck": neck})


@pytest.fixture
def network(config: TrainConfig) -> keras.Model:
    return build_network(config, COCO)


@pytest.fixture
def weights(network: keras.Model) -> dict[str, np.ndarray]:
    """Random tensors with the names of MoveNet and the shapes of the network."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {}

    def folded(layer: keras.Layer, source: str, kind: str) -> None:
        shapes[f"{source}/{kind}_weights"] = layer.get_weights()[0].shape
        shapes[f"{source}/{kind}_bn_offset"] = layer.output.shape[-1:]

    for layer in network.get_layer("backbone").layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            folded(layer, f"{FPN}/model/{layer.name}", "depthwise")
        elif isinstance(layer, keras.layers.Conv2D):
            folded(layer, f"{FPN}/model/{layer.name}", "Conv2D")
    folded(network.get_layer("deep"), f"{FPN}/model/Conv_1", "Conv2D")
    for index, suffix in enumerate(("", "_1", "_2", "_3")):
        kernel, bias = network.get_layer(f"lateral_{index}").get_weights()
        shapes[f"{FPN}/conv2d{suffix}/Conv2D/ReadVariableOp"] = kernel.shape
        shapes[f"{FPN}/conv2d{suffix}/BiasAdd/ReadVariableOp"] = bias.shape
    for index, suffix in enumerate(("", "_1", "_2"), start=1):
        depthwise, pointwise = network.get_layer(f"smooth_{index}").get_weights()
        smooth = f"{FPN}/separable_conv2d{suffix}/separable_conv2d"
        shapes[f"{smooth}/ReadVariableOp"] = depthwise.shape
        shapes[f"{smooth}_weights"] = pointwise.shape
        shapes[f"{smooth}_bn_offset"] = pointwise.shape[-1:]
    head = f"{HEAD}/separable_conv2d_6"
    shapes[f"{head}/separable_conv2d/ReadVariableOp"] = (3, 3, 24, 1)
    shapes[f"{head}/separable_conv2d/ReadVariableOp_1"] = (1, 1, 24, 96)
    shapes[f"{head}/BiasAdd/ReadVariableOp"] = (96,)
    shapes[f"{HEAD}/conv2d_7/Conv2D/ReadVariableOp"] = (1, 1, 96, 17)
    shapes[f"{HEAD}/conv2d_7/BiasAdd/ReadVariableOp"] = (17,)
    return {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


def test_unfolding_keeps_what_the_pyramid_computes(
    weights: dict[str, np.ndarray], network: keras.Model
) -> None:
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


def test_the_backbone_computes_what_its_folded_weights_say(
    weights: dict[str, np.ndarray], network: keras.Model
) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8)
    load_movenet(network, weights, crops)
    backbone = network.get_layer("backbone")
    pictures = crops.astype(np.float32) / 127.5 - 1
    before = keras.Model(backbone.input, backbone.get_layer("block_2_depthwise_relu").output)
    after = keras.Model(backbone.input, backbone.get_layer("block_2_project_BN").output)
    source = f"{FPN}/model/block_2_project/Conv2D"
    folded = keras.ops.conv(before.predict(pictures, verbose=0), weights[f"{source}_weights"])
    expected = np.asarray(folded) + weights[f"{source}_bn_offset"]
    np.testing.assert_allclose(after.predict(pictures, verbose=0), expected, atol=1e-3)


def test_training_starts_where_inference_is(
    weights: dict[str, np.ndarray], network: keras.Model
) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), np.uint8)
    load_movenet(network, weights, crops)
    learning, serving = (np.asarray(network(crops, training=mode)) for mode in (True, False))
    assert np.abs(learning - serving).mean() < 0.02 * np.abs(serving).mean()


def test_another_shape_is_refused(weights: dict[str, np.ndarray], config: TrainConfig) -> None:
    assert config.neck is not None
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
