import numpy as np
import pytest

from service.http.documents import hide_joints, prediction_document, provider, stages_s
from service.inference.estimator import PoseEstimator, Prediction
from service.inference.types import Box, Image, Keypoint, Person
from service.runtime.prediction import Posed


class NamedSession:
    def __init__(self, card, provider: str) -> None:
        self.card = card
        self.provider = provider

    def run(self, image):
        raise NotImplementedError


@pytest.fixture
def make_estimator(bundles):
    def make(detector: str = "CPU", keypoints: str = "CPU") -> PoseEstimator:
        return PoseEstimator(
            "default",
            NamedSession(bundles.detector_card(), detector),
            NamedSession(bundles.keypoints_card(), keypoints),
            0.2,
        )

    return make


PERSON = Person(
    0.123456,
    Box(1.23456, 2.0, 4.0, 9.98765),
    (Keypoint("nose", 1.005001, -3.14159, 0.98765), Keypoint("left_eye", 2.0, 2.0, 0.1)),
)
POSED = Posed(
    Image(np.zeros((30, 40, 3), np.uint8)), Prediction((PERSON,), 0.0012345, 0.002), 0.003
)


def test_numbers_are_rounded_to_what_can_be_meant(make_estimator):
    stages = stages_s(POSED, queue_s=0.0, total_s=0.0062345)

    body = prediction_document(make_estimator(), POSED, stages).model_dump()

    assert body["image"] == {"width": 40, "height": 30}
    person = body["persons"][0]
    assert person["score"] == 0.1235
    assert person["box"] == {"x": 1.23, "y": 2.0, "width": 2.77, "height": 7.99}
    assert person["keypoints"][0] == {"name": "nose", "x": 1.01, "y": -3.14, "score": 0.9877}
    assert body["timings_ms"] == {
        "decode": 3.0,
        "detect": 1.23,
        "keypoints": 2.0,
        "queue": 0.0,
        "total": 6.23,
    }


def test_joints_below_the_score_are_absent(make_estimator):
    stages = stages_s(POSED, queue_s=0.0, total_s=0.0)

    body = prediction_document(make_estimator(), POSED, stages, min_keypoint_score=0.1001)

    assert [joint.name for joint in body.persons[0].keypoints] == ["nose"]


def test_joints_at_the_score_are_kept():
    (person,) = hide_joints([PERSON], 0.1)

    assert person == PERSON


def test_hidden_joints_keep_their_place():
    (person,) = hide_joints([PERSON], 0.5)

    assert person.keypoints == (PERSON.keypoints[0], Keypoint("left_eye", 0.0, 0.0, 0.0))


def test_both_providers_are_named_where_they_differ(make_estimator):
    assert provider(make_estimator("CUDA", "CUDA")) == "CUDA"
    assert provider(make_estimator("CUDA", "CPU")) == "CPU, CUDA"
