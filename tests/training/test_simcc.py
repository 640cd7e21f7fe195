import keras
import numpy as np
import pytest

from service.inference.card import InputSize
from training.codecs import simcc
from training.codecs.config import SimccCodec

CODEC = SimccCodec(bins_per_px=2, sigma_px=2)
SIZE = InputSize(height=64, width=48)


def _logits(points: np.ndarray, codec: SimccCodec = CODEC) -> np.ndarray:
    """Logits `[1, K, Bx + By]` of Gaussians around points in crop pixels."""
    lines = []
    for count, places in zip(simcc.bins(codec, SIZE), points.T, strict=True):
        centres = (np.arange(count) + 0.5) / codec.bins_per_px
        lines.append(-np.square((centres - places[:, None]) / codec.sigma_px) / 2)
    return np.concatenate(lines, axis=1)[None].astype(np.float32)


def _decode(logits: np.ndarray, codec: SimccCodec = CODEC) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(logits)
    return keras.ops.convert_to_numpy(simcc.decode(tensor, codec, SIZE))[0]


def _loss(target: np.ndarray, logits: np.ndarray) -> float:
    return float(simcc.simcc_loss(CODEC, SIZE)(target.astype(np.float32)[None], logits))


@pytest.mark.parametrize("bins_per_px", [0.5, 1, 2])
def test_decoding_finds_the_middle_of_a_gaussian_between_bins(bins_per_px: float) -> None:
    codec = SimccCodec(bins_per_px=bins_per_px, sigma_px=2)
    points = np.random.default_rng(0).uniform((8, 8), (40, 56), (30, 2))
    found = _decode(_logits(points, codec), codec)
    np.testing.assert_allclose(found[:, :2], points, atol=0.02)
    assert found[:, 2].min() > 0.9


@pytest.mark.parametrize("point", [(0, 0), (48, 0), (0, 64), (48, 64), (24, 0.3)])
def test_a_joint_at_the_border_is_found_within_half_a_bin(point: tuple[float, float]) -> None:
    found = _decode(_logits(np.array([point])))[0]
    np.testing.assert_allclose(found[:2], point, atol=0.5 / CODEC.bins_per_px + 1e-6)


def test_the_score_tells_a_sure_answer_from_a_guess() -> None:
    point = np.array([[20.0, 30.0]])
    sure, halfway = _decode(_logits(point))[0], _decode(_logits(point) / 9)[0]
    guess = _decode(np.zeros((1, 1, 224), np.float32))[0]
    assert sure[2] == pytest.approx(1, abs=0.01)
    # The overlap of two Gaussians of which one is three times as wide.
    assert halfway[2] == pytest.approx(np.sqrt(1 / 5), abs=0.02)
    assert guess[2] < 0.15


def test_one_high_bin_does_not_outweigh_a_place_where_many_agree() -> None:
    logits = _logits(np.array([[20.0, 30.0]]))
    logits[0, 0, 80] = 0.5
    assert np.abs(_decode(logits)[0, :2] - (20, 30)).max() < 0.5


def test_a_joint_that_is_unsure_on_one_axis_is_unsure() -> None:
    logits = _logits(np.array([[20.0, 30.0]]))
    logits[..., 96:] = 0
    assert _decode(logits)[0, 2] < 0.4


def test_the_loss_is_zero_at_the_label_and_grows_with_the_distance() -> None:
    target = np.array([[20.0, 30.0, 1]])
    losses = [_loss(target, _logits(np.array([[20.0 + off, 30.0]]))) for off in (0, 0.5, 1, 4)]
    assert losses[0] == pytest.approx(0, abs=1e-5)
    assert losses == sorted(losses)
    # The distance of two Gaussians of one width.
    assert losses[3] == pytest.approx(4**2 / (2 * CODEC.sigma_px**2), rel=0.01)


def test_joints_without_a_label_do_not_count() -> None:
    logits = _logits(np.array([[20.0, 30.0], [5.0, 5.0]]))
    target = np.array([[21.0, 30.0, 1], [40.0, 60.0, 0]])
    assert _loss(target, logits) == pytest.approx(_loss(target[:1], logits[:, :1]), rel=1e-5)
    assert _loss(target * (1, 1, 0), logits) == 0


def test_a_labelled_joint_outside_the_crop_asks_for_even_bins() -> None:
    outside = np.array([[-3.0, 30.0, 1]])
    even = np.zeros((1, 1, 224), np.float32)
    assert _loss(outside, even) == pytest.approx(0, abs=1e-5)
    assert _loss(outside, _logits(np.array([[0.0, 30.0]]))) > 1


def test_a_label_far_outside_gives_a_finite_loss() -> None:
    assert np.isfinite(_loss(np.array([[-1e6, 1e6, 1]]), np.zeros((1, 1, 224), np.float32)))
