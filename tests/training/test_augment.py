import numpy as np
import pytest

from training.data.augment import change_colours, occlude


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)


def test_no_strength_changes_nothing(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(change_colours(pixels, 0.0, np.random.default_rng(0)), pixels)


def test_colours_change_but_the_picture_stays_recognisable(pixels: np.ndarray) -> None:
    correlations = []
    for seed in range(20):
        changed = change_colours(pixels, 0.4, np.random.default_rng(seed))
        assert changed.shape == pixels.shape
        assert changed.dtype == np.uint8
        assert (changed != pixels).any()
        correlations.append(np.corrcoef(changed.mean(axis=2).ravel(), pixels.mean(axis=2).ravel()))
    assert np.median([matrix[0, 1] for matrix in correlations]) > 0.7


def test_occlusion_covers_one_rectangle_and_leaves_the_input_alone(pixels: np.ndarray) -> None:
    before = pixels.copy()
    covered = occlude(pixels, np.random.default_rng(1))
    np.testing.assert_array_equal(pixels, before)
    rows, columns = np.nonzero((covered != pixels).any(axis=2))
    area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert 0 < area <= 0.35 * 0.35 * 60 * 40
    assert len(rows) > 0.9 * area
