from pathlib import Path

import keras
import numpy as np
import pytest

from service.inference.errors import InvalidData, InvalidInput
from training.attention_maps import attention_figure, attention_maps
from training.cli import main
from training.codecs.config import HeatmapCodec
from training.codecs.heatmap import heatmap_loss
from training.config import TrainConfig
from training.networks.attention import HOLISTIC, PARTS, attention_head
from training.networks.build import build_network
from training.networks.config import AttentionHead
from training.recipes import recipe
from training.run import create_run
from training.skeletons import COCO

SIDE, JOINTS = 32, 2


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    debug = recipe("mobilenetv2-heatmap-debug")
    return debug.model_copy(update={"head": AttentionHead()})


def _dots(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey noise with a red and a blue dot, and their places `[N, 2, 3]`."""
    pixels = rng.uniform(0.3, 0.6, (count, SIDE, SIDE, 3)).astype(np.float32)
    places = rng.uniform(4, SIDE - 4, (count, JOINTS, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    for n in range(count):
        for joint, colour in enumerate([(1, 0, 0), (0, 0, 1)]):
            x, y = places[n, joint]
            pixels[n, np.hypot(columns - x, rows - y) < 3] = colour
    return pixels, np.dstack([places, np.ones((count, JOINTS))]).astype(np.float32)


def _small_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(12, 5, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    return keras.Model(image, attention_head(x, AttentionHead(scales=2), JOINTS, prior=0.01))


def _attention_at(network: keras.Model, pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """For each joint: mean attention on its dot over mean attention of all."""
    maps = np.asarray(keras.Model(network.input, network.get_layer(PARTS).output)(pixels))
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    ratios = [
        maps[n, ..., k][np.hypot(columns - places[n, k, 0], rows - places[n, k, 1]) < 2].mean()
        / maps[n, ..., k].mean()
        for n in range(len(maps))
        for k in range(JOINTS)
    ]
    return np.array(ratios).reshape(-1, JOINTS).mean(axis=0)


def test_attention_learns_to_look_at_the_joint() -> None:
    network = _small_network()
    rng = np.random.default_rng(0)
    seen = _dots(rng, 4)
    before = _attention_at(network, *seen)
    codec = HeatmapCodec(stride=1, sigma_px=2)
    network.compile(keras.optimizers.Adam(3e-3), heatmap_loss(codec, SIDE, SIDE))
    losses = [network.train_on_batch(*_dots(rng, 8)) for _ in range(120)]
    assert losses[-1] < losses[0] / 2
    after = _attention_at(network, *seen)
    assert (np.abs(before - 1) < 0.5).all()
    assert (after > 2).all()


def test_attention_is_between_0_and_1_for_joints_and_up_to_the_scales_for_the_person() -> None:
    network = _small_network()
    pixels, _ = _dots(np.random.default_rng(0), 2)
    outputs = [network.get_layer(name).output for name in (HOLISTIC, PARTS)]
    holistic, parts = keras.Model(network.input, outputs)(pixels)
    assert (holistic.shape, parts.shape) == ((2, SIDE, SIDE, 1), (2, SIDE, SIDE, JOINTS))
    assert 0 < np.asarray(holistic).min() < np.asarray(holistic).max() < 2
    assert 0 < np.asarray(parts).min() < np.asarray(parts).max() < 1


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_mean_field_is_the_papers(iterations: int) -> None:
    features = keras.Input((6, 6, 4))
    head = AttentionHead(iterations=iterations, scales=1)
    network = keras.Model(features, attention_head(features, head, 1, None))
    names = (f"{HOLISTIC}_0_unary", HOLISTIC)
    outputs = [network.get_layer(name).output for name in names]
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 4)).astype(np.float32)
    unary, attention = (np.asarray(y)[0, ..., 0] for y in keras.Model(features, outputs)(x))
    kernel = np.asarray(network.get_layer(f"{HOLISTIC}_0_kernel").kernel)[..., 0, 0]
    q = 1 / (1 + np.exp(-unary))
    for _ in range(iterations):
        around = np.lib.stride_tricks.sliding_window_view(np.pad(q, 1), (3, 3))
        q = 1 / (1 + np.exp(-((around * kernel).sum(axis=(2, 3)) + unary)))
    np.testing.assert_allclose(attention, q, atol=1e-5)


def test_a_map_that_cannot_be_halved_as_often_is_named() -> None:
    with pytest.raises(InvalidData, match=r"head\.scales: 3 .* 6x8"):
        attention_head(keras.Input((6, 8, 4)), AttentionHead(scales=3), 2, None)


def test_the_attention_of_a_network_without_it_is_refused() -> None:
    network = build_network(recipe("mobilenetv2-heatmap-debug"), COCO)
    with pytest.raises(InvalidInput, match=r"head\.kind attention"):
        attention_maps(network, np.zeros((64, 64, 3), np.uint8))


def test_the_figure_has_a_map_for_the_person_and_for_each_joint(config: TrainConfig) -> None:
    figure = attention_figure(
        build_network(config, COCO), np.zeros((64, 64, 3), np.uint8), COCO.names
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["crop", "whole person", "nose"]
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 2 + len(COCO.names)


def test_the_verb_draws_a_runs_attention(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import skimage.data
    from PIL import Image

    run = create_run(tmp_path / "run", config, COCO)
    build_network(config, COCO).save_weights(run.best_weights)
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "astronaut.jpg")
    figure = tmp_path / "figure.png"
    options = ["--output", str(figure), "--box", "70,0,350,512"]
    assert main(["attention", str(run.folder), str(tmp_path / "astronaut.jpg"), *options]) == 0
    assert str(figure) in capsys.readouterr().out
    assert figure.stat().st_size > 10_000
    wrong = ["--output", str(tmp_path / "figure.docx")]
    assert main(["attention", str(run.folder), str(tmp_path / "astronaut.jpg"), *wrong]) == 2
    assert "figure.docx" in capsys.readouterr().err
