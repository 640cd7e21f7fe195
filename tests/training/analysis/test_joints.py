import pytest

from training.analysis.analyse import analyse

LEFT_HAND, LEFT_FOOT = 1, 3


def joints_of(measurement) -> dict:
    return {joint.name: joint for joint in analyse(measurement).joints}


def test_a_wrong_joint_costs_its_own_precision_only(scene):
    scene.answer(scene.person(100), moved={LEFT_HAND: (0, -60)})
    joints = joints_of(scene.given())
    assert {name: joint.ap for name, joint in joints.items()} == pytest.approx(
        {"top": 1, "left_hand": 0, "right_hand": 1, "left_foot": 1, "right_foot": 1}
    )


def test_pck_is_relative_to_the_longer_side_of_the_box(scene):
    """Twenty pixels are a tenth of the box of one person, and a twentieth of the other's."""
    scene.answer(scene.person(100), moved={LEFT_HAND: (0, -20)})
    scene.answer(scene.person(100, image_id=2, scale=2), moved={LEFT_HAND: (0, -20)})
    hand = joints_of(scene.given())["left_hand"]
    assert (hand.labelled, hand.pck_005, hand.pck_020) == (2, 0.5, 1)
    assert hand.mean_error == pytest.approx((0.1 + 0.05) / 2)


def test_joints_of_people_who_were_not_found_are_wrong(scene):
    scene.answer(scene.person(100))
    scene.person(300)
    top = joints_of(scene.detected())["top"]
    assert (top.pck_020, top.mean_error) == (0.5, pytest.approx(0))


def test_errors_are_counted_for_each_joint(scene):
    scene.answer(scene.person(100), moved={LEFT_FOOT: (9, 0)})
    scene.answer(scene.person(300), moved={LEFT_FOOT: (60, 0)})
    joints = joints_of(scene.given())
    assert joints["left_foot"].errors == {
        "good": 0, "jitter": 1, "inversion": 0, "swap": 0, "miss": 1,
    }  # fmt: skip
    assert joints["top"].errors["good"] == 2


def test_joint_that_nobody_has_a_label_for_has_no_figures(scene):
    scene.answer(scene.person(hidden=(LEFT_HAND,)))
    hand = joints_of(scene.given())["left_hand"]
    assert (hand.labelled, hand.ap, hand.pck_005, hand.mean_error) == (0, None, None, None)
