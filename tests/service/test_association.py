import itertools

import numpy as np
import pytest

from service.inference.tracking.association import assign, corners, match, similarities
from tests.service.conftest import COCO_SKELETON
from tests.service.tracks import person, points

SIGMAS = np.array(COCO_SKELETON.sigmas)


def alike(one, other):
    def given(someone):
        scores = [[joint.score] for joint in someone.keypoints]
        return corners([someone.box]), np.hstack([points(someone), scores])[None]

    return float(similarities(*given(one), *given(other), SIGMAS)[0, 0])


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (5, 2), (4, 6)])
def test_assignment_is_the_cheapest_of_all(shape):
    rng = np.random.default_rng(sum(shape))
    for _ in range(20):
        cost = rng.random(shape).round(1)
        pairs = assign(cost)

        short, long = sorted(shape)
        table = cost if shape[0] == short else cost.T
        ways = itertools.permutations(range(long), short)
        cheapest = min(sum(table[at, column] for at, column in enumerate(way)) for way in ways)
        assert sum(cost[pair] for pair in pairs) == pytest.approx(cheapest)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == short


def test_what_is_not_alike_enough_is_no_pair():
    likeness = np.array([[0.9, 0.8], [0.85, 0.1]])

    # The best pair alone would leave the second row without a partner.
    assert match(likeness, 0.2) == [(0, 1), (1, 0)]
    assert match(likeness, 0.82) == [(0, 0)] or match(likeness, 0.82) == [(1, 0)]
    assert match(likeness, 0.95) == []


def test_nobody_has_no_partner():
    assert match(np.zeros((0, 3)), 0.5) == []
    assert match(np.zeros((3, 0)), 0.5) == []


def test_same_person_is_quite_alike_and_somebody_far_away_not_at_all():
    assert alike(person(0), person(0)) == pytest.approx(1.0)
    assert alike(person(0), person(500)) < 0.01


def test_pose_tells_two_people_in_the_same_box_apart():
    assert alike(person(0), person(0, mirrored=True)) < alike(person(0), person(8)) - 0.05


def test_boxes_of_somebody_fast_still_count():
    # A step of a whole width: the boxes themselves only touch.
    assert alike(person(0), person(41)) > 0.03


def test_joints_that_nobody_sees_do_not_count():
    hidden = person(0, mirrored=True, joint_score=0.05)

    assert alike(person(0), hidden) == pytest.approx(0.5)
