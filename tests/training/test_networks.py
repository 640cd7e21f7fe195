from pathlib import Path

import keras
import numpy as np
import pytest

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from training.config import TrainConfig
from training.networks.build import build_network, with_decoder
from training.recipes import recipe
from training.skeletons import COCO


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return recipe("mobilenetv2-heatmap-debug")


@pytest.fixture(scope="module")
def network(config: TrainConfig) -> keras.Model:
    return build_network(config, COCO)


def _noise(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)


def test_the_network_answers_a_map_per_joint_at_a_quarter_of_the_input(
    network: keras.Model,
) -> None:
    assert network.input.dtype == "uint8"
    assert network.output.shape == (None, 16, 16, 17)


def test_the_decoded_network_answers_joints_inside_the_crop(
    network: keras.Model, config: TrainConfig
) -> None:
    keypoints = with_decoder(network, config).predict(_noise(3), verbose=0)["keypoints"]
    assert keypoints.shape == (3, 17, 3)
    assert (keypoints[..., :2] >= 0).all()
    assert (keypoints[..., :2] <= 64).all()
    assert ((keypoints[..., 2] >= 0) & (keypoints[..., 2] <= 1)).all()


def test_the_default_has_the_size_that_its_card_states() -> None:
    default = recipe("mobilenetv2-heatmap").model_copy(update={"backbone_weights": "none"})
    # MobileNetV2 without its top has 2.26 M parameters; pyramid and head add a twentieth.
    assert 2.3e6 < build_network(default, COCO).count_params() < 2.4e6


def test_refinement_blocks_start_as_the_identity(config: TrainConfig) -> None:
    deeper = config.model_copy(update={"neck": config.neck.model_copy(update={"refine_blocks": 1})})
    refined = build_network(deeper, COCO)
    before = keras.Model(refined.input, refined.get_layer("smooth_3_relu").output)
    after = keras.Model(refined.input, refined.get_layer("refine_0_add").output)
    np.testing.assert_allclose(
        after.predict(_noise(), verbose=0), before.predict(_noise(), verbose=0), atol=1e-6
    )


def test_batch_normalisations_forget_quickly_enough(network: keras.Model) -> None:
    backbone = network.get_layer("backbone")
    norms = [x for x in backbone.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.9}


def test_a_frozen_batch_normalisation_computes_in_training_what_it_computes_in_inference(
    config: TrainConfig,
) -> None:
    frozen = config.backbone.model_copy(update={"frozen_batch_norm": True})
    backbone = build_network(config.model_copy(update={"backbone": frozen}), COCO).get_layer(
        "backbone"
    )
    pixels = _noise().astype(np.float32) / 127.5 - 1
    for trained, inferred in zip(
        backbone(pixels, training=True), backbone(pixels, training=False), strict=True
    ):
        np.testing.assert_allclose(trained, inferred, atol=1e-5)


def test_a_frozen_backbone_has_no_trainable_weights(config: TrainConfig) -> None:
    frozen = config.backbone.model_copy(update={"frozen": True})
    network = build_network(config.model_copy(update={"backbone": frozen}), COCO)
    assert not network.get_layer("backbone").trainable_weights
    assert network.get_layer("head").trainable_weights


def test_weights_to_start_from_are_taken(
    network: keras.Model, config: TrainConfig, tmp_path: Path
) -> None:
    path = tmp_path / "start.weights.h5"
    network.save_weights(path)
    copy = build_network(config.model_copy(update={"init_weights": path}), COCO)
    np.testing.assert_array_equal(
        copy.predict(_noise(), verbose=0), network.predict(_noise(), verbose=0)
    )


@pytest.mark.parametrize("field", ["init_weights", "backbone_weights"])
def test_missing_weights_are_named(config: TrainConfig, tmp_path: Path, field: str) -> None:
    gone = tmp_path / "gone.weights.h5"
    value = gone if field == "init_weights" else str(gone)
    with pytest.raises(InvalidData, match=rf"{field}.*gone\.weights\.h5"):
        build_network(config.model_copy(update={field: value}), COCO)


def test_a_tap_that_does_not_exist_is_named(config: TrainConfig) -> None:
    taps = ("out_relu", "block_9_add", "block_5_add", "block_99_add")
    backbone = config.backbone.model_copy(update={"taps": taps})
    with pytest.raises(InvalidData, match="block_99_add"):
        build_network(config.model_copy(update={"backbone": backbone}), COCO)


def test_a_stride_that_the_pyramid_does_not_reach_is_named(config: TrainConfig) -> None:
    codec = config.codec.model_copy(update={"stride": 8})
    with pytest.raises(InvalidData, match=r"codec\.stride is 8"):
        build_network(config.model_copy(update={"codec": codec}), COCO)


def test_heatmaps_learned_by_squares_start_empty() -> None:
    config = recipe("resnet50-deconv").model_copy(
        update={"backbone_weights": "none", "input": InputSize(height=64, width=64)}
    )
    start = build_network(config, COCO).predict(_noise(), verbose=0)
    # Noise of the size of a Gaussian's peak would have to be unlearned first.
    assert np.abs(start).max() < 0.1
