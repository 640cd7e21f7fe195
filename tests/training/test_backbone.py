import sys
import urllib.error
from pathlib import Path

import keras
import numpy as np
import pytest

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from training.networks.backbone import build_backbone, number_layers
from training.networks.backbone_weights import copy_imagenet_weights
from training.networks.config import BackboneConfig
from training.networks.efficientnet_lite import efficientnet_lite0
from training.networks.normalisation import normalisation

SIZE = InputSize(height=64, width=96)
SMALL = BackboneConfig(name="mobilenetv2", alpha=0.35)


def _noise(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (1, SIZE.height, SIZE.width, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "name",
    ["MobileNetV2", "mobilenet-v3-small", "resnet50", "vgg16", "efficientnetv2b0", "densenet121"],
)
def test_a_network_of_keras_is_found_in_any_spelling_and_has_a_map_per_stride(name: str) -> None:
    config = BackboneConfig(name=name, taps=(32, 16, 8, 4))
    backbone, _ = build_backbone(config, "none", SIZE)
    assert [tuple(map_.shape[1:3]) for map_ in backbone.outputs] == [
        (2, 3),
        (4, 6),
        (8, 12),
        (16, 24),
    ]


def test_efficientnet_lite0_has_a_map_per_stride_and_the_published_size() -> None:
    config = BackboneConfig(name="efficientnet-lite0", taps=(32, 16, 8, 4))
    backbone, normalise = build_backbone(config, "none", SIZE)
    assert [map_.shape[-1] for map_ in backbone.outputs] == [1280, 672, 240, 144]
    # 4.65 M with the classifier of 1,280,000 weights and 1,000 biases (Tan 2020).
    assert efficientnet_lite0(SIZE).count_params() + 1_281_000 == pytest.approx(4.65e6, rel=0.02)
    assert np.asarray(normalise(np.array([[[[127.0, 255, 0]]]])))[0, 0, 0] == pytest.approx(
        [0, 1, -0.9921875]
    )


@pytest.mark.parametrize(
    "module", ["mobilenet_v2", "mobilenet_v3", "resnet", "resnet_v2", "densenet", "efficientnet_v2"]
)
def test_the_normalisation_is_the_networks_own(module: str) -> None:
    preprocess = sys.modules[f"keras.src.applications.{module}"].preprocess_input
    expected = preprocess(_noise().copy())
    np.testing.assert_allclose(
        np.asarray(normalisation(preprocess)(_noise())), np.asarray(expected), atol=1e-4
    )


def test_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(InvalidData, match=r"no network 'resnet9000'.*efficientnet-lite0.*resnet50"):
        build_backbone(BackboneConfig(name="resnet9000"), "none", SIZE)


@pytest.mark.parametrize("name", ["vgg16", "efficientnet-lite0"])
def test_a_width_for_a_network_of_one_width_is_named(name: str) -> None:
    with pytest.raises(InvalidData, match=r"backbone\.alpha"):
        build_backbone(BackboneConfig(name=name, alpha=0.5), "none", SIZE)


def test_mobilenet_v3_takes_a_width() -> None:
    narrow, wide = (
        build_backbone(BackboneConfig(name="mobilenetv3small", alpha=alpha), "none", SIZE)[0]
        for alpha in (0.5, 1)
    )
    assert narrow.count_params() < wide.count_params() / 2


def test_an_input_that_the_network_cannot_take_is_named() -> None:
    with pytest.raises(InvalidData, match=r"inceptionv3 cannot be built.*75"):
        build_backbone(BackboneConfig(name="inceptionv3"), "none", SIZE)


def test_a_stride_that_the_network_lacks_is_named() -> None:
    with pytest.raises(InvalidData, match=r"backbone\.taps: .* no layer of stride 3"):
        build_backbone(SMALL.model_copy(update={"taps": (32, 3)}), "none", SIZE)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5", ".npz"])
def test_weights_of_a_file_are_taken(tmp_path: Path, suffix: str) -> None:
    make = keras.applications.MobileNetV2
    source = make(input_shape=(None, None, 3), include_top=False, weights=None, alpha=0.35)
    path = tmp_path / f"start{suffix}"
    match suffix:
        case ".npz":
            np.savez(
                path,
                **{
                    f"{layer.name}/{weight.name}": np.asarray(weight)
                    for layer in source.layers
                    for weight in layer.weights
                },
            )
        case ".weights.h5":
            source.save_weights(path)
        case _:
            source.save(path)
    backbone, _ = build_backbone(SMALL, str(path), SIZE)
    picture = _noise() / 127.5 - 1
    np.testing.assert_allclose(
        np.asarray(keras.tree.flatten(backbone(picture))[0]), np.asarray(source(picture)), atol=1e-4
    )


def test_a_whole_keras_file_of_efficientnet_lite0_is_taken(tmp_path: Path) -> None:
    source = efficientnet_lite0(InputSize(height=32, width=32))
    source.save(tmp_path / "lite.keras")
    config = BackboneConfig(name="efficientnet-lite0")
    backbone, _ = build_backbone(config, str(tmp_path / "lite.keras"), SIZE)
    for ours, theirs in zip(backbone.weights, source.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("other.weights.h5", None),
        ("broken.weights.h5", b"nothing"),
        ("broken.keras", b"nothing"),
        ("unknown.txt", b"nothing"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    if content is None:
        make = keras.applications.MobileNetV2
        make(input_shape=(32, 32, 3), include_top=False, weights=None, alpha=0.5).save_weights(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidData, match=rf"backbone_weights: .*{name} does not fit"):
        build_backbone(SMALL, str(path), SIZE)


def test_a_download_without_internet_says_what_else_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", offline)
    with pytest.raises(InvalidData, match=r"cannot download .* of mobilenetv2 .*none or a file"):
        build_backbone(SMALL, "imagenet", SIZE)


def test_efficientnet_lite0_has_nothing_to_download() -> None:
    with pytest.raises(InvalidData, match="no ImageNet weights to download"):
        build_backbone(BackboneConfig(name="efficientnet-lite0"), "imagenet", SIZE)


@pytest.mark.slow
def test_imagenet_weights_do_not_change_the_graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keras gives EfficientNet another layer with ImageNet weights; a run is opened without."""
    make = keras.applications.EfficientNetB0
    options = {"input_shape": (32, 32, 3), "include_top": False}
    file = tmp_path / "efficientnet.weights.h5"
    plain = make(**options, weights=None)
    number_layers(plain)
    statistics = plain.get_layer("normalization")
    statistics.adapt_mean.assign([0.5, 0.4, 0.3])
    statistics.adapt_variance.assign([0.2, 0.3, 0.1])
    plain.save_weights(file)
    monkeypatch.setattr(
        "keras.src.applications.efficientnet.file_utils.get_file", lambda *_, **__: str(file)
    )
    # The network that reads the file is the process's first of its kind, as in a fresh run.
    keras.backend.clear_session()
    trained = make(**options, weights="imagenet")
    assert len(trained.layers) == len(plain.layers) + 1
    copy_imagenet_weights(trained, plain)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(plain(picture)), np.asarray(trained(picture)), atol=1e-4)


def test_layers_are_named_alike_however_many_networks_there_were() -> None:
    keras.applications.EfficientNetB0(input_shape=(32, 32, 3), include_top=False, weights=None)
    config = BackboneConfig(name="efficientnetb0")
    backbone, _ = build_backbone(config, "none", SIZE)
    names = [layer.name for layer in backbone.layers]
    assert "normalization" in names
    assert "rescaling" in names
    assert len(set(names)) == len(names)
