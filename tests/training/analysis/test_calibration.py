import numpy as np
import pytest

from training.analysis.analyse import analyse
from training.analysis.calibration import calibrate


def test_score_that_is_the_rate_has_no_error():
    scores = np.array([0.25] * 4 + [0.75] * 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
    calibration = calibrate("person", scores, {"OKS 0.50": right})
    assert calibration.expected_errors == (0,)
    filled = [one for one in calibration.bins if one.count]
    assert [(one.low, one.high, one.rates) for one in filled] == [
        (0.2, 0.3, (0.25,)),
        (0.7, 0.8, (0.75,)),
    ]


def test_error_is_weighted_by_the_answers_of_a_bin():
    scores = np.array([0.95, 0.95, 0.95, 0.05])
    calibration = calibrate(
        "person", scores, {"never": np.zeros(4, bool), "always": np.ones(4, bool)}
    )
    assert calibration.expected_errors == pytest.approx((0.725, 0.275))


@pytest.mark.parametrize(("score", "low"), [(0.0, 0.0), (0.3, 0.3), (0.7, 0.7), (1.0, 0.9)])
def test_bounds_belong_to_the_upper_bin_and_one_to_the_last(score, low):
    calibration = calibrate("joint", np.array([score]), {"right": np.ones(1, bool)})
    assert [one.low for one in calibration.bins if one.count] == [low]


def test_without_answers_there_is_nothing_to_say():
    calibration = calibrate("person", np.zeros(0), {"right": np.zeros(0, bool)})
    assert calibration.expected_errors == (None,)
    assert {one.mean_score for one in calibration.bins} == {None}


def test_scores_of_people_and_joints_are_compared_with_the_truth(scene):
    scene.answer(scene.person(100), score=0.8, moved={0: (60, 0)}, joint_score=0.9)
    scene.nobody(score=0.6)
    analysis = analyse(scene.detected())
    people, joints = analysis.person_calibration, analysis.joint_calibration
    assert people.criteria == ("OKS 0.50", "OKS 0.75")
    assert {one.low: one.rates for one in people.bins if one.count} == {0.6: (0, 0), 0.8: (1, 1)}
    assert people.expected_errors[0] == pytest.approx((0.2 + 0.6) / 2)
    # Of five joints one is 60 pixels off, 0.3 of the box.
    assert joints.criteria == ("PCK@0.05", "PCK@0.2")
    assert joints.bins[9].rates == (0.8, 0.8)


def test_answers_about_ignored_people_do_not_count(scene):
    unlabelled = scene.person(300, hidden=(0, 1, 2, 3, 4))
    scene.answer(scene.person(100), score=0.8)
    scene.answer(unlabelled, score=0.7)
    people = analyse(scene.detected()).person_calibration
    assert sum(one.count for one in people.bins) == 1
