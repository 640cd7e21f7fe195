import pytest

from training.analysis.analyse import analyse

LEFT_HAND, RIGHT_HAND, LEFT_FOOT, RIGHT_FOOT = 1, 2, 3, 4


def test_mending_the_only_kind_of_error_gives_all(scene):
    person = scene.person(100)
    hands = {LEFT_HAND: (105, 180), RIGHT_HAND: (195, 180)}
    scene.answer(person, at=hands)
    measurement = scene.given()
    gains = analyse(measurement).errors.ap_gains
    assert gains["inversion"] == pytest.approx(1 - measurement.evaluation.metrics["AP"])
    assert (gains["miss"], gains["jitter"], gains["swap"]) == pytest.approx((0, 0, 0))


def test_one_of_two_kinds_gives_a_part(scene):
    scene.answer(scene.person(100), moved={LEFT_FOOT: (60, 0), 0: (8, 0), LEFT_HAND: (8, 0)})
    measurement = scene.given()
    before = measurement.evaluation.metrics["AP"]
    gains = analyse(measurement).errors.ap_gains
    assert 0 < gains["jitter"] < gains["miss"] < 1 - before


def test_what_false_and_missed_people_cost(scene):
    scene.answer(scene.person(100), score=0.5)
    scene.nobody(score=0.9)
    errors = analyse(scene.detected(), min_score=0.0).errors
    assert errors.ap_gains["background"] == pytest.approx(0.5)
    assert errors.ap_gains["score"] == pytest.approx(0.5)
    scene.person(300)
    errors = analyse(scene.detected(), min_score=0.0).errors
    assert errors.ap_gains["missed_person"] == pytest.approx(0.5 - 0.5 * 51 / 101)


def test_measurement_is_left_as_it_was(scene):
    scene.answer(scene.person(100), moved={LEFT_FOOT: (60, 0)})
    scene.nobody()
    measurement = scene.detected()
    before = repr(measurement)
    analyse(measurement)
    assert repr(measurement) == before
