import numpy as np
import pytest

from training.analysis.errors import find_errors
from training.analysis.results import JOINT_ERRORS

LEFT_HAND, RIGHT_HAND = 1, 2
AT = {"own right hand": (105, 180), "other left hand": (395, 180), "other right hand": (305, 180)}


def kinds_of(measurement, min_score: float = 0.0) -> list[list[str | None]]:
    kinds = find_errors(measurement, min_score).kinds
    return [[None if kind < 0 else JOINT_ERRORS[kind] for kind in row] for row in kinds.tolist()]


@pytest.mark.parametrize(
    ("moved_px", "kind"),
    [(0, "good"), (5.5, "good"), (5.9, "jitter"), (11.5, "jitter"), (12.5, "miss"), (60, "miss")],
)
def test_distance_makes_good_jitter_or_miss(scene, moved_px, kind):
    scene.answer(scene.person(), moved={LEFT_HAND: (0, -moved_px)})
    (kinds,) = kinds_of(scene.given())
    assert kinds[LEFT_HAND] == kind
    assert kinds[:LEFT_HAND] + kinds[RIGHT_HAND:] == ["good"] * 4


@pytest.mark.parametrize(
    ("place", "kind"),
    [("own right hand", "inversion"), ("other left hand", "swap"), ("other right hand", "swap")],
)
def test_place_of_another_joint_names_the_error(scene, place, kind):
    person, other = scene.person(100), scene.person(300)
    scene.answer(person, at={LEFT_HAND: AT[place]})
    scene.answer(other)
    assert [row[LEFT_HAND] for row in kinds_of(scene.given())] == [kind, "good"]


def test_nearer_of_two_wrong_joints_names_the_error(scene):
    """The other's left hand is 8 pixels from one's own right hand."""
    person, other = scene.person(100), scene.person(18)
    scene.answer(person, at={LEFT_HAND: (106, 180)})
    scene.answer(person, at={LEFT_HAND: (112, 180)})
    scene.answer(other)
    assert [row[LEFT_HAND] for row in kinds_of(scene.given())[:2]] == ["inversion", "swap"]


def test_joint_without_a_mirror_image_is_not_inverted(scene):
    scene.answer(scene.person(), at={0: AT["own right hand"]})
    assert kinds_of(scene.given())[0][0] == "miss"


def test_hidden_joints_are_neither_wrong_nor_places_to_swap_to(scene):
    person, other = scene.person(100, hidden=(0,)), scene.person(300, hidden=(LEFT_HAND,))
    scene.answer(person, moved={0: (50, 0)}, at={LEFT_HAND: AT["other left hand"]})
    scene.answer(other)
    first, second = kinds_of(scene.given())
    assert (first[0], first[LEFT_HAND], second[LEFT_HAND]) == (None, "miss", None)


def test_given_boxes_tell_whom_an_answer_is_for(scene):
    """By similarity alone the answer would be a perfect find of the other person."""
    person, other = scene.person(100), scene.person(300)
    scene.answer(person, shift=200)
    scene.answer(other)
    assert kinds_of(scene.given())[0] == ["swap"] * 5
    assert len(kinds_of(scene.detected())) == 1


def test_answers_below_the_score_are_left_out(scene):
    scene.answer(scene.person(100), score=0.3, moved={0: (90, 0)})
    scene.answer(scene.person(300), score=0.6)
    assert kinds_of(scene.detected(), 0.5) == [["good"] * 5]
    assert np.shape(kinds_of(scene.detected(), 0.2)) == (2, 5)
