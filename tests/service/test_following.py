import numpy as np
import pytest

from service.inference.tracking.following import Following
from tests.service.conftest import COCO_SKELETON
from tests.service.tracks import K, person, points


def following(**options):
    return Following(COCO_SKELETON, min_person_score=0.2, **options)


def trembling(frames, seed=0):
    rng = np.random.default_rng(seed)
    return [[person(0, jitter=rng.normal(0, 2, (K, 2)))] for _ in range(frames)]


def positions(one, frames, rate=25):
    return np.array(
        [points(one.update(people, at / rate)[0].person) for at, people in enumerate(frames)]
    )


def tremble(found) -> float:
    return float(np.linalg.norm(np.diff(found, 2, axis=0), axis=-1).mean())


def test_joints_tremble_less_unless_smoothing_is_off():
    frames = trembling(60)
    raw = np.array([points(people[0]) for people in frames])

    assert positions(following(smooth=False), frames).tolist() == raw.tolist()
    assert tremble(positions(following(), frames)) < tremble(raw) / 2


def test_boxes_scores_and_names_stay_as_they_were():
    one = following()
    for at, people in enumerate(trembling(10)):
        (tracked,) = one.update(people, at / 25)
        assert (tracked.person.box, tracked.person.score) == (people[0].box, people[0].score)
        assert [(j.name, j.score) for j in tracked.person.keypoints] == [
            (j.name, j.score) for j in people[0].keypoints
        ]


def test_numbers_do_not_depend_on_smoothing():
    """Fast enough that smoothed joints would lag behind."""
    rng = np.random.default_rng(5)
    smooth, raw = following(), following(smooth=False)
    for at in range(50):
        people = [
            person(at * 8.0 + float(rng.normal(0, 4))),
            person(400 - at * 8.0, mirrored=True),
        ]
        numbers = [
            [tracked.track_id for tracked in one.update(people, at / 25)] for one in (smooth, raw)
        ]
        assert numbers[0] == numbers[1]


def test_untracked_people_are_neither_numbered_nor_smoothed():
    one = following(track=False)

    for at, people in enumerate(trembling(5)):
        (tracked,) = one.update(people, at / 25)
        assert tracked.track_id is None
        assert tracked.person is people[0]
    assert one.tracks is None


def test_joints_begin_anew_after_a_gap():
    one = following()
    one.update([person(0)], 0.0)

    (tracked,) = one.update([person(10)], 1.0)

    assert tracked.track_id == 1
    assert points(tracked.person).tolist() == points(person(10)).tolist()


@pytest.mark.parametrize(("least", "begins"), [(0.2, 0.4), (0.4, 0.5), (0.8, 0.8)])
def test_who_begins_a_track_is_more_than_just_good_enough(least, begins):
    for score, number in ((begins - 0.01, None), (begins + 0.01, 1)):
        one = Following(COCO_SKELETON, min_person_score=least)
        assert one.update([person(0, score=score)], 0.0)[0].track_id == number


def test_tracks_are_counted():
    one = following()
    one.update([person(0), person(200)], 0.0)

    assert one.tracks == 2
