import numpy as np
import pytest

from service.inference import self_test as module
from service.inference.errors import InferenceFailed, InvalidBundle
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.inference.self_test import self_test

K = 17
PERSON = (10.0, 8.0, 40.0, 60.0)
"""In pixels of the detector's 64x64 input."""


class Network:
    """Gives the same answer for every picture, and remembers for how many it was asked."""

    provider = "fake"

    def __init__(self, card, answer):
        self.card = card
        self.asked = 0
        self._answer = answer

    def run(self, image):
        self.asked += len(image)
        return {name: np.repeat(rows, len(image), axis=0) for name, rows in self._answer.items()}


def boxes_answer(box=PERSON, score=0.9, unused=PERSON):
    """One slot with a box, and one with a score of 0."""
    return {
        "boxes": np.array([[box, unused]], np.float32),
        "scores": np.array([[score, 0.0]], np.float32),
    }


def joints_answer(x=20.0, y=30.0, score=0.8):
    """All joints of the 64x48 crop in the middle, but for the last one."""
    rows = np.full((1, K, 3), (24, 32, 0.5), np.float32)
    rows[0, -1] = x, y, score
    return {"keypoints": rows}


@pytest.fixture
def make_estimator(bundles):
    def make(boxes=None, joints=None):
        return PoseEstimator(
            "test",
            Network(bundles.detector_card(), boxes or boxes_answer()),
            Network(bundles.keypoints_card(), joints or joints_answer()),
            0.2,
        )

    return make


def test_people_of_sane_networks_are_counted(make_estimator):
    assert self_test(make_estimator()) == 1


def test_small_bundles_of_onnx_are_sane(models_dir):
    assert self_test(load_pipeline(models_dir, "default", Execution(device="cpu"))) > 0


def test_nobody_found_is_no_error_and_joints_are_looked_for_all_the_same(make_estimator):
    estimator = make_estimator(boxes_answer(score=0.0))

    assert self_test(estimator) == 0
    assert (estimator.detector.asked, estimator.keypoints.asked) == (1, 1)


def test_unused_slots_may_hold_anything_finite(make_estimator):
    assert self_test(make_estimator(boxes_answer(unused=(900, 5, -900, 3)))) == 1


def test_score_may_be_a_little_above_one(make_estimator):
    assert self_test(make_estimator(boxes_answer(score=1.1), joints_answer(score=1.1))) == 1


def test_joint_may_be_guessed_outside_of_the_crop(make_estimator):
    assert self_test(make_estimator(joints=joints_answer(x=-30, y=100))) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (boxes_answer(score=37.5), r"a score of 37\.5 .*expected a number in 0\.\.1"),
        (boxes_answer(score=-3), r"a score of -3\. "),
        (boxes_answer(score=np.nan), "a score of nan"),
        (boxes_answer(box=(1, 2, np.inf, 4)), r"a box of \[ 1\., +2\., inf, +4\.\] .*finite"),
        (boxes_answer(unused=(np.nan, 2, 3, 4)), "a box of .*finite"),
        (boxes_answer(box=(30, 8, 10, 60)), r"a box of \[30\., +8\., 10\., 60\.\] .*x0 < x1"),
        (boxes_answer(box=(10, 50, 30, 50)), "a box of .*y0 < y1"),
        (boxes_answer(box=(100, 80, 400, 600)), "a box of .*input of 64 x 64"),
        (boxes_answer(box=(-70, 8, 10, 60)), "a box of .*input of 64 x 64"),
    ],
)
def test_insane_detector_is_refused(make_estimator, answer, message):
    estimator = make_estimator(boxes=answer)

    with pytest.raises(InvalidBundle, match=rf"^test-detector/1 answers {message}"):
        self_test(estimator)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (joints_answer(score=9), r"a score of 9\. .*expected a number in 0\.\.1"),
        (joints_answer(score=np.nan), "a score of nan"),
        (joints_answer(x=np.nan), "a joint of .*finite"),
        (joints_answer(y=np.inf), "a joint of .*finite"),
        (joints_answer(x=97), r"a joint of \[97\., 30\.\] .*input of 48 x 64"),
        (joints_answer(y=-65), "a joint of .*input of 48 x 64"),
    ],
)
@pytest.mark.parametrize("score", [0.9, 0.0], ids=["found", "nobody found"])
def test_insane_keypoint_network_is_refused(make_estimator, answer, message, score):
    estimator = make_estimator(boxes_answer(score=score), answer)

    with pytest.raises(InvalidBundle, match=rf"^test-keypoints/1 answers {message}"):
        self_test(estimator)


def test_failing_network_is_told(make_estimator):
    estimator = make_estimator()

    def fail(_):
        raise InferenceFailed("it broke")

    estimator.keypoints.run = fail

    with pytest.raises(InferenceFailed, match="it broke"):
        self_test(estimator)


def test_photograph_is_small():
    assert module._PHOTOGRAPH.stat().st_size < 40_000
