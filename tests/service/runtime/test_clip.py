"""A video as pieces of work, without a server."""

import pytest

from service.inference.errors import VideoTooLarge
from service.inference.image import ImageLimits
from service.inference.types import Box, Size
from service.inference.video.reader import VideoLimits
from service.runtime.clip import Clip, ClipOptions
from service.runtime.follower import Follower
from service.runtime.prediction import Picture
from service.runtime.ticket import ClientGone, Ticket
from tests.service import video_files
from tests.service.fake_networks import fake_estimator, in_detector
from tests.service.http.conftest import encode

LIMITS = VideoLimits(max_bytes=10**6, max_frames=100, max_seconds=60, max_pixels=10**5)
SIZE = Size(height=128, width=160)
COUNT = 4


@pytest.fixture
def estimator(bundles):
    """Somebody sure, and somebody doubtful."""
    rows = [
        in_detector(Box(10, 10, 60, 110), 0.9, SIZE),
        in_detector(Box(90, 10, 140, 110), 0.3, SIZE),
    ]
    return fake_estimator(bundles, rows)


@pytest.fixture
def path(tmp_path):
    return video_files.write(tmp_path / "a.avi", video_files.frames(COUNT, (160, 128)))


def steps(clip):
    while not clip.ended:
        answered = clip.step()
        if answered is not None:
            yield answered


def test_each_step_answers_a_frame(estimator, path):
    clip = Clip(path, estimator, LIMITS, ClipOptions())

    answered = list(steps(clip))

    assert [one.index for one in answered] == list(range(COUNT))
    # The doubtful one begins no track.
    assert [[each.track_id for each in one.tracked] for one in answered] == [[1, None]] * COUNT
    assert set(answered[0].stages_s) == {"decode", "detect", "keypoints"}
    assert (clip.answered, clip.frames_read, clip.tracks) == (COUNT, COUNT, 1)
    assert clip.seconds == pytest.approx((COUNT - 1) / video_files.FPS)


def test_options_reach_the_networks_and_the_reader(estimator, path):
    options = ClipOptions(min_person_score=0.5, track=False, every=2, max_frames=1)
    clip = Clip(path, estimator, LIMITS, options)

    (answered,) = steps(clip)

    assert [each.track_id for each in answered.tracked] == [None]
    assert clip.tracks is None


def test_file_may_be_deleted_once_it_is_open(estimator, path):
    clip = Clip(path, estimator, LIMITS, ClipOptions())
    path.unlink()

    assert len(list(steps(clip))) == COUNT


def test_closed_clip_answers_nothing_more(estimator, path):
    clip = Clip(path, estimator, LIMITS, ClipOptions())
    clip.close()

    assert clip.step() is None
    assert clip.answered == 0


def test_limits_hold(estimator, path):
    limits = VideoLimits(max_bytes=10**6, max_frames=COUNT - 1, max_seconds=60, max_pixels=10**5)

    with pytest.raises(VideoTooLarge):
        Clip(path, estimator, limits, ClipOptions())


def test_follower_knows_people_until_the_options_change(estimator):
    picture = Picture(encode(video_files.frames(1, (160, 128))[0]))
    follower = Follower()

    def numbers(options: ClipOptions, time_s: float) -> list[int | None]:
        limits = ImageLimits(max_bytes=10**6, max_pixels=10**6)
        _, tracked = follower.answer(estimator, picture, limits, options, time_s, Ticket())
        return [one.track_id for one in tracked]

    assert numbers(ClipOptions(), 0.0) == numbers(ClipOptions(), 0.1) == [1, None]
    assert numbers(ClipOptions(smooth=False), 0.2) == [2, None]
    follower = follower.renewed()
    assert numbers(ClipOptions(smooth=False), 0.3) == [3, None]


def test_follower_does_nothing_for_nobody(estimator):
    gone = Ticket()
    gone.cancel()
    limits = ImageLimits(max_bytes=10**6, max_pixels=10**6)
    picture = Picture(encode(video_files.frames(1)[0]))

    with pytest.raises(ClientGone):
        Follower().answer(estimator, picture, limits, ClipOptions(), 0.0, gone)
    assert estimator.detector.batches == []
