import pytest

from training.analysis.analyse import analyse


@pytest.mark.parametrize("kind", ["detected", "boxes"])
def test_kinds_of_wrong_people_are_told_apart(scene, kind):
    person = scene.person(100)
    scene.answer(person, score=0.9)
    scene.answer(person, score=0.8, shift=2)
    scene.person(400)
    scene.nobody()
    errors = analyse(getattr(scene, kind)(), min_score=0.5).errors
    expected = {"missed_person": 1, "background": 1, "duplicate": 1}
    assert errors.people == expected | ({"poor_box": 0} if kind == "boxes" else {})


def test_person_found_below_the_score_is_missed(scene):
    scene.answer(scene.person(100), score=0.3)
    assert analyse(scene.detected(), min_score=0.2).errors.people["missed_person"] == 0
    assert analyse(scene.detected(), min_score=0.4).errors.people["missed_person"] == 1


def test_box_that_covers_a_person_badly_is_poor(scene):
    scene.answer(scene.person(100), shift=50)  # IoU 1/3
    errors = analyse(scene.boxes(), min_score=0.0).errors
    assert errors.people == {"missed_person": 0, "background": 0, "duplicate": 0, "poor_box": 1}
    assert errors.ap_gains["poor_box"] == pytest.approx(1)


def test_answers_in_a_crowd_are_no_errors(scene):
    crowd = scene.person(300, hidden=(0, 1, 2, 3, 4))
    crowd["iscrowd"] = 1
    scene.answer(scene.person(100))
    scene.answer(crowd)
    errors = analyse(scene.detected(), min_score=0.0).errors
    assert set(errors.people.values()) == {0}


def test_given_boxes_have_no_wrong_people(scene):
    scene.answer(scene.person(100), moved={0: (60, 0)})
    errors = analyse(scene.given()).errors
    assert errors.people == {}
    assert set(errors.ap_gains) == {"jitter", "inversion", "swap", "miss", "score"}
