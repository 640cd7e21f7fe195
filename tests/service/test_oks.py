import numpy as np
import pytest

from service.inference.oks import distinct, joint_similarities, oks

SIGMAS = np.array([0.05, 0.1])
POSE = np.array([[10.0, 10.0], [50.0, 80.0]])


def moved(by):
    return POSE + np.array(by)


def test_same_pose_has_similarity_one():
    assert oks(POSE, POSE, 100.0, SIGMAS) == 1.0


def test_similarity_follows_cocos_formula():
    other = moved([[3.0, 4.0], [0.0, 0.0]])

    # d = 5, s^2 = 1000, k = 0.1: exp(-25 / (2 * 1000 * 0.01)), and 1 for the joint that stayed.
    assert oks(POSE, other, 1000.0, SIGMAS) == pytest.approx((np.exp(-1.25) + 1) / 2)


def test_tighter_joint_loses_more():
    first = oks(POSE, moved([[4.0, 0.0], [0.0, 0.0]]), 1000.0, SIGMAS)
    second = oks(POSE, moved([[0.0, 0.0], [4.0, 0.0]]), 1000.0, SIGMAS)

    assert first < second


def test_person_without_area_has_a_similarity():
    assert oks(POSE, POSE + 100, 0.0, SIGMAS) == pytest.approx(0.0)


def test_later_duplicate_is_dropped():
    poses = np.stack([POSE, POSE + 200, POSE + 0.1, POSE + 400])

    assert distinct(poses, [1000.0] * 4, SIGMAS, 0.9) == [0, 1, 3]


def test_pose_is_compared_with_kept_ones_only():
    # Each is like its neighbour, the first and the last are not alike.
    poses = np.stack([POSE, moved([1.5, 0]), moved([3, 0])])

    assert distinct(poses, [1000.0] * 3, SIGMAS, 0.9) == [0, 2]


def test_mean_area_decides():
    poses = np.stack([POSE, moved([3, 0])])

    assert distinct(poses, [1000.0, 1000.0], SIGMAS, 0.9) == [0, 1]
    assert distinct(poses, [1000.0, 19_000.0], SIGMAS, 0.9) == [0]


def test_several_poses_are_compared_at_once():
    others = np.stack([POSE, moved([3.0, 4.0]), POSE + 200])
    areas = np.array([1000.0, 2000.0, 0.0])

    together = joint_similarities(POSE, others, areas, SIGMAS)

    alone = [joint_similarities(POSE, *each, SIGMAS) for each in zip(others, areas, strict=True)]
    np.testing.assert_array_equal(together, alone)
    assert distinct(others, areas, SIGMAS, 0.9) == [0, 1, 2]
