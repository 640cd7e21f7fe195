import keras
import numpy as np
import pytest

from service.inference.card import InputSize
from training.codecs import heatmap
from training.codecs.config import HeatmapCodec
from training.skeletons import COCO

CODEC = HeatmapCodec(stride=4, sigma_px=2.0)
HEIGHT, WIDTH = 32, 24


def _logits(points: np.ndarray, peak: float = 0.9) -> np.ndarray:
    """Logits `[1, 32, 24, K]` whose sigmoid is a Gaussian around points in heatmap pixels."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    squared = (xs[..., None] - points[:, 0]) ** 2 + (ys[..., None] - points[:, 1]) ** 2
    heat = np.clip(peak * np.exp(-squared / (2 * CODEC.sigma_px**2)), 1e-9, 1 - 1e-9)
    return np.log(heat / (1 - heat))[None].astype(np.float32)


def _decode(logits: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(heatmap.decode(keras.ops.convert_to_tensor(logits), CODEC))


def test_decoding_finds_the_centre_of_a_gaussian_between_pixels() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((2, 2), (WIDTH - 2, HEIGHT - 2), (17, 2))
    found = _decode(_logits(points))[0]
    np.testing.assert_allclose(found[:, :2], points * CODEC.stride, atol=0.1)


def test_the_score_is_the_height_of_the_peak() -> None:
    found = _decode(_logits(np.array([[10.5, 12.5]]), peak=0.37))[0]
    assert found[0, 2] == pytest.approx(0.37, abs=1e-3)


@pytest.mark.parametrize("corner", [(0.5, 0.5), (23.5, 0.5), (0.5, 31.5), (23.5, 31.5)])
def test_a_joint_in_the_corner_cell_stays_in_the_crop(corner: tuple[float, float]) -> None:
    found = _decode(_logits(np.array([corner])))[0]
    np.testing.assert_allclose(found[0, :2], np.array(corner) * CODEC.stride, atol=1e-3)


def test_a_flat_map_gives_a_finite_answer() -> None:
    assert np.isfinite(_decode(np.zeros((1, HEIGHT, WIDTH, 3), np.float32))).all()


def test_the_loss_is_lowest_at_the_labelled_place() -> None:
    loss = heatmap.heatmap_loss(CODEC, HEIGHT, WIDTH)
    target = np.array([[[42.0, 50.0, 1]]], np.float32)
    losses = [float(loss(target, _logits(np.array([[x, 12.5]])))) for x in (10.5, 11.5, 14.5)]
    assert losses == sorted(losses)
    assert losses[0] < losses[1] < losses[2]


def test_joints_without_a_label_do_not_count() -> None:
    loss = heatmap.heatmap_loss(CODEC, HEIGHT, WIDTH)
    logits = _logits(np.array([[10.5, 12.5], [5.0, 5.0]]))
    one = float(loss(np.array([[[42.0, 50.0, 1]]], np.float32), logits[..., :1]))
    two = float(loss(np.array([[[42.0, 50.0, 1], [80, 80, 0]]], np.float32), logits))
    assert two == pytest.approx(one, rel=1e-5)


def test_nobody_labelled_gives_no_loss() -> None:
    loss = heatmap.heatmap_loss(CODEC, HEIGHT, WIDTH)
    assert float(loss(np.zeros((1, 2, 3), np.float32), np.ones((1, 32, 24, 2), np.float32))) == 0


def test_a_labelled_joint_outside_the_crop_asks_for_an_empty_map() -> None:
    loss = heatmap.heatmap_loss(CODEC, HEIGHT, WIDTH)
    target = np.array([[[-160.0, 50.0, 1]]], np.float32)
    empty, full = np.full((1, 32, 24, 1), -9, np.float32), _logits(np.array([[2.0, 12.5]]))
    assert float(loss(target, empty)) < float(loss(target, full))


def test_each_joint_learns_the_width_that_oks_forgives() -> None:
    codec = HeatmapCodec(stride=4, oks_width=1.0)
    size = InputSize(height=4 * HEIGHT, width=4 * WIDTH)
    sigmas = heatmap.joint_sigmas(codec, size, 1.25, COCO.sigmas)
    loss = heatmap.heatmap_loss(codec, HEIGHT, WIDTH, sigmas)
    area = 0.53 * (size.height / 1.25) * (size.width / 1.25)
    place = np.array([50.0, 62.0])
    cells = (np.dstack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))) + 0.5) * 4
    squared = np.square(cells - place).sum(axis=-1)
    similarity = [np.exp(-squared / (2 * area * (2 * sigma) ** 2)) for sigma in COCO.sigmas]
    # The best logits for a target are the log-odds of the target itself.
    heat = np.stack(similarity, axis=-1).clip(1e-7, 1 - 1e-7)[None]
    target = np.array([[[*place, 1]] * 17], np.float32)
    logits = np.log(heat / (1 - heat)).astype(np.float32)
    best = float(loss(target, logits))
    for change in (0.9, 1.1):
        assert best < float(loss(target, logits * np.float32(change)))


def test_without_it_all_joints_have_the_same_width() -> None:
    size = InputSize(height=128, width=96)
    sigmas = heatmap.joint_sigmas(CODEC, size, 1.25, COCO.sigmas)
    np.testing.assert_array_equal(sigmas, 2.0)


def test_no_gaussian_falls_between_the_cells() -> None:
    codec = HeatmapCodec(stride=4, oks_width=0.1)
    size = InputSize(height=64, width=64)
    assert heatmap.joint_sigmas(codec, size, 1.25, COCO.sigmas).min() == 0.7
