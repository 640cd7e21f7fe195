import numpy as np
import pytest

from service.inference.tracking.tracker import Tracker
from tests.service.conftest import COCO_SKELETON
from tests.service.tracks import person

CONFIDENT, DOUBTFUL = 0.9, 0.3
RATE = 25


@pytest.fixture
def tracker():
    return Tracker(COCO_SKELETON, confident_score=0.5, memory_s=1.0)


def ids(tracked):
    return [one.track_id for one in tracked]


def walk(tracker, start, speed, frames, *, first=0, **options):
    """One person in so many frames; their numbers."""
    return [
        ids(tracker.update([person(start + speed * at / RATE, **options)], (first + at) / RATE))[0]
        for at in range(frames)
    ]


def test_people_keep_their_numbers_and_their_order(tracker):
    for at in range(20):
        people = [person(at * 2.0), person(300 - at * 2.0, mirrored=True)]
        order = people if at % 2 == 0 else people[::-1]
        tracked = tracker.update(order, at / RATE)
        assert ids(tracked) == ([1, 2] if at % 2 == 0 else [2, 1])
        assert [one.person for one in tracked] == order


def test_people_keep_their_numbers_through_a_crossing(tracker):
    seen = []
    for at in range(60):
        left = person(0 + 5.0 * at)
        right = person(300 - 5.0 * at, 104, mirrored=True)
        # The one behind is hidden where they meet.
        hidden = abs(left.box.x0 - right.box.x0) < 20
        tracked = tracker.update([left] if hidden else [left, right], at / RATE)
        seen.append(ids(tracked))

    assert [1] in seen
    assert seen[0] == seen[-1] == [1, 2]
    assert tracker.begun == 2


def test_two_who_meet_are_told_apart_by_their_poses(tracker):
    for at in range(40):
        left, right = person(2.0 * at), person(80 - 2.0 * at, mirrored=True)
        assert ids(tracker.update([left, right], at / RATE)) == [1, 2]


def test_number_is_kept_through_a_gap_while_moving(tracker):
    assert set(walk(tracker, 0, 100, 15)) == {1}
    for at in range(15, 30):
        assert tracker.update([], at / RATE) == []

    # Where somebody is who went on; the box of the last frame would not overlap.
    assert walk(tracker, 100 * 30 / RATE, 100, 5, first=30) == [1] * 5


def test_number_is_not_given_again_after_the_memory_ends(tracker):
    assert set(walk(tracker, 0, 0, 5)) == {1}

    assert set(walk(tracker, 0, 0, 5, first=5 + RATE + 1)) == {2}
    assert tracker.begun == 2


def test_memory_is_in_seconds(tracker):
    tracker.update([person(0)], 0.0)

    assert ids(tracker.update([person(0)], 0.99)) == [1]
    assert ids(tracker.update([person(0)], 2.5)) == [2]


def test_doubtful_person_begins_nothing(tracker):
    assert walk(tracker, 0, 0, 5, score=DOUBTFUL) == [None] * 5
    assert tracker.begun == 0


def test_doubtful_person_continues_a_track(tracker):
    assert walk(tracker, 0, 50, 5) == [1] * 5

    assert walk(tracker, 10, 50, 20, first=5, score=DOUBTFUL) == [1] * 20
    assert walk(tracker, 50, 50, 5, first=25) == [1] * 5


def test_doubtful_person_does_not_take_a_number_from_a_sure_one(tracker):
    tracker.update([person(0)], 0.0)

    # The doubtful one is exactly where somebody was; the sure one a little further.
    tracked = tracker.update([person(0, score=DOUBTFUL), person(6, score=CONFIDENT)], 1 / RATE)

    assert ids(tracked) == [None, 1]


def test_doubtful_person_does_not_bring_back_who_was_lost(tracker):
    walk(tracker, 0, 0, 5)
    tracker.update([], 6 / RATE)

    assert ids(tracker.update([person(0, score=DOUBTFUL)], 7 / RATE)) == [None]
    assert ids(tracker.update([person(0)], 8 / RATE)) == [1]


def test_new_person_gets_a_new_number(tracker):
    tracker.update([person(0)], 0.0)

    assert ids(tracker.update([person(0), person(200)], 1 / RATE)) == [1, 2]


def test_somebody_else_at_the_other_side_is_somebody_new(tracker):
    walk(tracker, 0, 0, 5)

    assert walk(tracker, 400, 0, 3, first=5) == [2] * 3


def test_uneven_frames_are_no_matter(tracker):
    rng = np.random.default_rng(3)
    time_s, seen = 0.0, set()
    for _ in range(40):
        time_s += float(rng.choice([0.02, 0.04, 0.3]))
        seen |= set(ids(tracker.update([person(80 * time_s)], time_s)))

    assert seen == {1}


def test_numbers_go_on_where_another_tracker_stopped():
    later = Tracker(COCO_SKELETON, confident_score=0.5, begun=7)

    assert ids(later.update([person(0)], 0.0)) == [8]
