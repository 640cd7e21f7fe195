import numpy as np
import pytest

from service.inference.errors import InvalidBundle
from service.inference.types import Size
from training.parity import check_parity, compare, synthetic_pictures


class Fake:
    """A session that finds each picture's brightest pixel, off by `shift` in batches of five."""

    def __init__(self, shift: float = 0.0) -> None:
        self._shift = shift
        self.batches: list[int] = []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(len(image))
        best = image[..., 0].reshape(len(image), -1).argmax(axis=1)
        y, x = np.divmod(best, image.shape[2]) + np.array(self._shift * (len(image) == 5))
        return {"keypoints": np.stack([x, y, np.full(len(image), 0.9)], -1)[:, np.newaxis]}


def joints(*rows: tuple[float, float, float]) -> dict[str, np.ndarray]:
    return {"keypoints": np.array([rows], np.float32)}


def boxes(*rows: tuple[float, float]) -> dict[str, np.ndarray]:
    """Of 10 pixels at x, each with a score."""
    return {
        "boxes": np.array([[(x, 0, x + 10, 10) for x, _ in rows]], np.float32),
        "scores": np.array([[score for _, score in rows]], np.float32),
    }


def test_distance_of_joints_is_the_largest_one() -> None:
    difference = compare(joints((5, 5, 0.9), (7, 7, 0.8)), joints((5, 5, 0.9), (10, 11, 0.805)))

    assert difference.pixels == pytest.approx(5)
    assert difference.score == pytest.approx(0.005)
    assert not difference.acceptable


def test_joint_that_the_network_does_not_see_may_lie_elsewhere() -> None:
    difference = compare(joints((5, 5, 0.9), (7, 7, 0.02)), joints((5, 5, 0.9), (30, 30, 0.02)))

    assert difference.acceptable


def test_best_joint_counts_whatever_its_score() -> None:
    difference = compare(joints((5, 5, 0.03), (7, 7, 0.02)), joints((9, 5, 0.03), (7, 7, 0.02)))

    assert difference.pixels == pytest.approx(4)


def test_boxes_of_nearly_the_same_score_may_change_places() -> None:
    difference = compare(boxes((0, 0.8), (50, 0.799)), boxes((50, 0.8), (0, 0.799)))

    assert difference.pixels == 0
    assert difference.acceptable


def test_missing_box_is_noticed() -> None:
    difference = compare(boxes((0, 0.8), (50, 0.7)), boxes((0, 0.8), (3, 0.7)))

    assert difference.pixels == pytest.approx(47)


@pytest.mark.parametrize("answer", [joints((np.nan, 5, 0.9)), joints((5, 5, np.nan))])
def test_answer_that_is_no_number_is_not_acceptable(answer: dict[str, np.ndarray]) -> None:
    assert not compare(joints((5, 5, 0.9)), answer).acceptable


def test_check_runs_batches_of_one_and_of_five() -> None:
    pictures = synthetic_pictures(Size(32, 24), 3)
    exported = Fake()

    difference = check_parity(Fake(), exported, pictures)

    assert set(exported.batches) == {1, 5}
    assert difference.pixels == 0


def test_network_that_fails_in_batches_of_five_is_refused_with_the_figures() -> None:
    pictures = synthetic_pictures(Size(32, 24), 10)

    with pytest.raises(InvalidBundle, match=r"4\.243 px .* in batches of 5"):
        check_parity(Fake(), Fake(shift=3.0), pictures)


def test_synthetic_pictures_differ_but_are_always_the_same() -> None:
    pictures = synthetic_pictures(Size(32, 24), 4)

    assert pictures.shape == (4, 32, 24, 3)
    assert pictures.dtype == np.uint8
    assert np.ptp(pictures) > 100
    assert len({picture.tobytes() for picture in pictures}) == 4
    np.testing.assert_array_equal(pictures, synthetic_pictures(Size(32, 24), 4))
