import keras
import numpy as np
import pytest

from service.inference.errors import InvalidData
from training.config import TrainConfig
from training.networks.build import build_network
from training.networks.config import PyramidNeck
from training.networks.slim import copy_slimmed
from training.recipes import recipe
from training.skeletons import COCO

BLOCK = "block_5"


def _config(expansion: float) -> TrainConfig:
    debug = recipe("mobilenetv2-heatmap-debug")
    backbone = debug.backbone.model_copy(update={"expansion": expansion})
    return debug.model_copy(update={"backbone": backbone})


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)


@pytest.fixture
def wide() -> keras.Model:
    return build_network(_config(6), COCO)


def _make_constant(network: keras.Model, block: str, channels: np.ndarray) -> None:
    """Channels that are the same everywhere and in every picture, whatever listens to them."""
    norm = network.get_layer("backbone").get_layer(f"{block}_depthwise_BN")
    gamma, beta, mean, variance = norm.get_weights()
    gamma[channels] = 0
    beta[channels] = 2.5
    norm.set_weights([gamma, beta, mean, variance])


def test_without_constant_channels_the_network_answers_the_same(
    wide: keras.Model, crops: np.ndarray
) -> None:
    narrow = build_network(_config(5), COCO)
    rng = np.random.default_rng(1)
    for layer in narrow.get_layer("backbone").layers:
        if layer.name.endswith("_expand"):
            block = layer.name.removesuffix("_expand")
            before = wide.get_layer("backbone").get_layer(layer.name).filters
            lost = rng.choice(before, before - layer.filters, replace=False)
            _make_constant(wide, block, lost)
    copy_slimmed(wide, narrow, crops)
    assert narrow.count_params() < 0.95 * wide.count_params()
    expected = np.asarray(wide(crops))
    np.testing.assert_allclose(np.asarray(narrow(crops)), expected, atol=1e-4)


def test_the_channels_that_matter_most_stay(wide: keras.Model, crops: np.ndarray) -> None:
    narrow = build_network(_config(4), COCO)
    weak = np.arange(10, 20)
    project = wide.get_layer("backbone").get_layer(f"{BLOCK}_project")
    (kernel,) = project.get_weights()
    kernel[:, :, weak, :] *= 1e-3
    project.set_weights([kernel])
    copy_slimmed(wide, narrow, crops)
    (slim,) = narrow.get_layer("backbone").get_layer(f"{BLOCK}_project").get_weights()
    assert np.abs(slim).sum(axis=-1).min() > np.abs(kernel[:, :, weak, :]).sum(axis=-1).max()


def test_a_block_that_is_tapped_inside_keeps_its_channels(crops: np.ndarray) -> None:
    config = recipe("person-detector-debug")
    slim = config.backbone.model_copy(update={"expansion": 4})
    wide, narrow = (
        build_network(one, None) for one in (config, config.model_copy(update={"backbone": slim}))
    )
    pictures = np.pad(crops, ((0, 0), (0, 32), (0, 32), (0, 0)))
    copy_slimmed(wide, narrow, pictures)
    widths = [
        [net.get_layer("backbone").get_layer(f"{block}_expand").filters for net in (wide, narrow)]
        for block in ("block_5", "block_6", "block_13")
    ]
    assert widths[0][0] > widths[0][1]
    assert widths[1][0] == widths[1][1]
    assert widths[2][0] == widths[2][1]


def test_the_deep_convolution_of_the_pyramid_loses_what_it_does_not_use(crops: np.ndarray) -> None:
    config = _config(6)
    assert isinstance(config.neck, PyramidNeck)
    necks = [config.neck.model_copy(update={"deep_channels": channels}) for channels in (32, 24)]
    wide, narrow = (build_network(config.model_copy(update={"neck": one}), COCO) for one in necks)
    norm = wide.get_layer("deep_bn")
    gamma, beta, mean, variance = norm.get_weights()
    # The same everywhere and in every picture, whatever listens to it.
    gamma[::4], beta[::4] = 0, 1.5
    norm.set_weights([gamma, beta, mean, variance])
    copy_slimmed(wide, narrow, crops)
    np.testing.assert_allclose(np.asarray(narrow(crops)), np.asarray(wide(crops)), atol=1e-4)


def test_blocks_that_refine_lose_what_they_do_not_use(crops: np.ndarray) -> None:
    config = _config(6)
    assert isinstance(config.neck, PyramidNeck)
    necks = [
        config.neck.model_copy(update={"refine_blocks": 2, "refine_expansion": expansion})
        for expansion in (4, 3)
    ]
    wide, narrow = (build_network(config.model_copy(update={"neck": one}), COCO) for one in necks)
    rng = np.random.default_rng(1)
    for block in ("refine_0", "refine_1"):
        # It starts as the identity: its channels are to matter.
        project = wide.get_layer(f"{block}_project_bn")
        project.set_weights([rng.normal(1, 0.2, each.shape) for each in project.get_weights()])
        norm = wide.get_layer(f"{block}_depthwise_bn")
        gamma, beta, mean, variance = norm.get_weights()
        # The same everywhere and in every picture, whatever listens to it.
        gamma[::4], beta[::4] = 0, 1.5
        norm.set_weights([gamma, beta, mean, variance])

    copy_slimmed(wide, narrow, crops)

    filters = [net.get_layer("refine_1_expand").filters for net in (wide, narrow)]
    assert filters[1] == 3 * filters[0] / 4
    np.testing.assert_allclose(np.asarray(narrow(crops)), np.asarray(wide(crops)), atol=1e-4)


def test_a_larger_network_cannot_be_filled(wide: keras.Model, crops: np.ndarray) -> None:
    narrow = build_network(_config(4), COCO)
    with pytest.raises(InvalidData, match="channels"):
        copy_slimmed(narrow, wide, crops)


def test_another_pyramid_is_refused(wide: keras.Model, crops: np.ndarray) -> None:
    config = _config(5)
    neck = PyramidNeck(channels=(16, 16, 16, 24))
    other = build_network(config.model_copy(update={"neck": neck}), COCO)
    with pytest.raises(InvalidData, match="differ in"):
        copy_slimmed(wide, other, crops)


def test_other_backbones_have_no_expansion() -> None:
    config = _config(4)
    backbone = config.backbone.model_copy(update={"name": "resnet50", "alpha": 1.0})
    with pytest.raises(InvalidData, match=r"backbone\.expansion"):
        build_network(config.model_copy(update={"backbone": backbone}), COCO)


def test_weights_of_the_usual_expansion_are_refused_before_they_are_fetched() -> None:
    config = _config(4).model_copy(update={"backbone_weights": "imagenet"})
    with pytest.raises(InvalidData, match="slim"):
        build_network(config, COCO)
