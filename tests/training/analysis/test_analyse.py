import dataclasses
import json

import pytest

from service.inference.errors import InvalidInput
from training.analysis.analyse import analyse
from training.evaluation import as_document

KINDS = ("given", "detected", "boxes")


@pytest.mark.parametrize("kind", KINDS)
def test_who_finds_everyone_makes_no_errors(scene, kind):
    for x, score in ((0, 0.9), (150, 0.8), (300, 1.0)):
        scene.answer(scene.person(x), score=score)
    analysis = analyse(getattr(scene, kind)())
    assert analysis.best.f1 == 1
    assert [curve.ap for curve in analysis.curves] == pytest.approx([1, 1])
    assert [joint.ap for joint in analysis.joints] == pytest.approx([1] * len(analysis.joints))
    assert {joint.pck_005 for joint in analysis.joints} <= {1}
    assert all(count == 0 for kind, count in analysis.errors.joints.items() if kind != "good")
    assert set(analysis.errors.people.values()) <= {0}
    assert list(analysis.errors.ap_gains.values()) == pytest.approx(
        [0] * len(analysis.errors.ap_gains)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_a_number_or_nothing_in_json(scene, kind):
    """JSON knows neither NaN nor numpy's numbers."""
    scene.answer(scene.person(100), moved={0: (60, 0)})
    scene.person(300, hidden=(1,))
    measurement = getattr(scene, kind)()
    document = as_document(measurement.evaluation, analyse(measurement))
    assert json.loads(json.dumps(document, allow_nan=False)).keys() >= {"metrics", "analysis"}


@pytest.mark.parametrize("kind", KINDS)
def test_without_answers_everyone_is_missed(scene, kind):
    scene.person(100)
    analysis = analyse(getattr(scene, kind)())
    assert (analysis.best.recall, analysis.best.precision) == (0, None)
    assert {curve.ap for curve in analysis.curves} == {0}
    assert {joint.pck_020 for joint in analysis.joints} <= {0}
    if kind != "given":
        assert analysis.errors.people["missed_person"] == 1
    json.dumps(dataclasses.asdict(analysis), allow_nan=False)


def test_nobody_to_find_and_nothing_found_is_no_error(scene):
    analysis = analyse(scene.boxes())
    assert (analysis.best.f1, analysis.errors.people["missed_person"]) == (0, 0)


def test_a_detector_has_no_joints(scene):
    scene.answer(scene.person(100))
    analysis = analyse(scene.boxes())
    assert (analysis.similarity, analysis.joints, analysis.visibility) == ("IoU", (), ())
    assert analysis.joint_calibration is None
    assert analysis.person_calibration.criteria == ("IoU 0.50", "IoU 0.75")


@pytest.mark.parametrize("score", [-0.1, 1.5])
def test_score_outside_of_its_range_is_refused(scene, score):
    scene.answer(scene.person(100))
    with pytest.raises(InvalidInput, match=f"min_person_score is {score}"):
        analyse(scene.detected(), min_score=score)
