import math
import os
import threading

import numpy as np
import pytest

from service.inference.errors import InvalidVideo, UnsupportedVideo, VideoTooLarge
from service.inference.types import Size
from service.inference.video import reader as reader_module
from service.inference.video.ffmpeg import open_capture, restrict_ffmpeg
from service.inference.video.reader import VideoLimits, VideoReader, is_video_file
from tests.service import video_files
from tests.service.video_files import FPS

LIMITS = VideoLimits(max_bytes=10**6, max_frames=100, max_seconds=60, max_pixels=10**5)


@pytest.fixture
def stored(tmp_path):
    """Writes bytes to a file without a name that says what they are."""

    def store(data: bytes):
        path = tmp_path / "upload"
        path.write_bytes(data)
        return path

    return store


@pytest.fixture
def ten(tmp_path):
    return video_files.write(tmp_path / "ten.avi", video_files.frames(10))


def limits(**changes):
    return VideoLimits(**{**{name: getattr(LIMITS, name) for name in LIMITS.__slots__}, **changes})


def open_error(path, asked=LIMITS, **options) -> str:
    with pytest.raises((InvalidVideo, VideoTooLarge)) as caught:
        VideoReader(path, asked, **options)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_frames_come_in_order_with_their_times(ten):
    with VideoReader(ten, LIMITS) as video:
        assert (video.info.size, video.info.fps, video.info.frames) == (Size(48, 64), FPS, 10)
        frames = list(video)

    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.time_s for frame in frames] == pytest.approx([at / FPS for at in range(10)])
    brightness = [frame.image.pixels.mean() for frame in frames]
    assert brightness == sorted(brightness)
    assert frames[0].image.size == Size(48, 64)
    assert video.ended
    assert video.frames_read == 10


def test_colours_are_rgb(tmp_path):
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[..., 0] = 255
    path = video_files.write(tmp_path / "blue.avi", [blue])

    with VideoReader(path, LIMITS) as video:
        (frame,) = video

    assert frame.image.pixels.mean((0, 1)).argmax() == 2


def test_every_third_frame_keeps_its_number_and_time(ten):
    with VideoReader(ten, LIMITS, every=3) as video:
        frames = list(video)

    assert [frame.index for frame in frames] == [0, 3, 6, 9]
    assert frames[2].time_s == pytest.approx(0.6)


def test_a_step_between_distant_frames_is_short(tmp_path):
    path = video_files.write(tmp_path / "long.avi", video_files.frames(50))

    with VideoReader(path, LIMITS, every=40) as video:
        steps = []
        while not video.ended:
            frame = video.read()
            steps.append(None if frame is None else frame.index)

    # None: still on the way, so that others get their turn.
    assert steps == [0, None, None, 40, None]


def test_only_as_many_frames_as_asked_for_are_read(ten):
    with VideoReader(ten, LIMITS, max_frames=2) as video:
        assert [frame.index for frame in video] == [0, 1]
        assert video.frames_read == 2


def test_phone_video_is_turned_upright(stored, tmp_path):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = 255
    data = video_files.write(tmp_path / "a.mp4", [picture] * 3).read_bytes()

    with VideoReader(stored(video_files.turned(data)), LIMITS) as video:
        assert video.info.size == Size(height=64, width=48)
        frame = next(iter(video))

    # What was up is on the right.
    assert frame.image.size == Size(height=64, width=48)
    assert frame.image.pixels[:, :16].mean() < 60 < 200 < frame.image.pixels[:, -16:].mean()


def test_limits_are_checked_on_the_header_first(ten):
    assert "has 10 frames; expected at most max_video_frames = 9" in open_error(
        ten, limits(max_frames=9)
    )
    assert "lasts 1.0 s; expected at most max_video_seconds = 0.5" in open_error(
        ten, limits(max_seconds=0.5)
    )
    assert "64 x 48 = 3072 pixels; expected at most" in open_error(ten, limits(max_pixels=3071))
    assert "bytes; expected at most max_video_bytes = 2000" in open_error(
        ten, limits(max_bytes=2000)
    )


def test_the_beginning_of_a_video_that_is_too_long_may_be_asked_for(ten):
    with VideoReader(ten, limits(max_frames=9), max_frames=3, every=3) as video:
        assert [frame.index for frame in video] == [0, 3, 6]
    assert "max_video_frames" in open_error(ten, limits(max_frames=9), max_frames=4, every=3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"max_frames": 5}, "more than 5 frames"), ({"max_seconds": 0.35}, "more than 0.35 s")],
)
def test_header_that_lies_does_not_get_around_the_limits(stored, tmp_path, changes, said):
    data = video_files.with_count(video_files.avi(tmp_path), 2)
    seen = []

    with VideoReader(stored(data), limits(**changes)) as video:
        assert video.info.frames == 2
        with pytest.raises(VideoTooLarge, match=said):
            seen.extend(frame.index for frame in video)

    assert 3 <= len(seen) <= 5


def test_frame_larger_than_the_header_said_is_refused(ten):
    video = VideoReader(ten, LIMITS)
    video._limits = limits(max_pixels=10)

    with pytest.raises(VideoTooLarge, match="64 x 48"):
        video.read()
    video.close()


def test_truncated_video_gives_what_is_there(stored, tmp_path):
    data = video_files.avi(tmp_path, 60)

    with VideoReader(stored(data[: len(data) * 3 // 4]), LIMITS) as video:
        assert 1 <= len(list(video)) < 60


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda _: b"", "InvalidVideo: video is empty"),
        (lambda _: b"some text", "UnsupportedVideo: video begins with b'some text'"),
        (lambda _: b"\xff\xd8\xff" + bytes(99), "UnsupportedVideo"),
        (lambda _: video_files.sound_only(), "InvalidVideo: video cannot be opened"),
        (lambda folder: video_files.mp4(folder)[:600], "InvalidVideo: video cannot be opened"),
        (lambda folder: video_files.avi(folder)[:12], "InvalidVideo: video cannot be opened"),
        (lambda _: b"RIFF\0\0\0\0AVI " + bytes(range(256)) * 9, "InvalidVideo"),
        (lambda folder: video_files.playlist(folder / "made.avi"), "UnsupportedVideo"),
        (
            lambda folder: video_files.with_rate(video_files.avi(folder), 2**32 - 1, 1),
            "states 90000 frames per second",
        ),
    ],
)
def test_what_is_no_video_is_refused_with_a_reason(stored, tmp_path, broken, said):
    assert said in open_error(stored(broken(tmp_path)))


def test_missing_file_is_refused_with_a_reason(tmp_path):
    assert "cannot be read: No such file" in open_error(tmp_path / "none.mp4")


@pytest.mark.parametrize("fps", [0.0, -25.0, math.nan, math.inf, 1001.0])
def test_rate_that_is_none_is_refused(ten, monkeypatch, fps):
    use_capture(monkeypatch, fps=fps)

    assert "frames per second; expected more than 0" in open_error(ten)


def test_times_that_stand_still_follow_the_rate(ten, monkeypatch):
    use_capture(monkeypatch, times_ms=[40.0, 80.0, 80.0, math.nan, 0.0, 400.0])

    with VideoReader(ten, LIMITS) as video:
        times = [frame.time_s for frame in video]

    # From the first frame on; where a time is missing, a frame lasts a tenth of a second.
    assert times == pytest.approx([0.0, 0.04, 0.14, 0.24, 0.34, 0.36])


def test_header_without_a_number_of_frames_is_not_believed(ten, monkeypatch):
    use_capture(monkeypatch, count=-9e18, times_ms=[0.0, 100.0])

    with VideoReader(ten, LIMITS) as video:
        assert video.info.frames is None
        assert len(list(video)) == 2


def test_frames_of_a_clock_are_not_counted_beforehand(ten, monkeypatch):
    """Browsers' recordings state 1000 frames per second, and as many frames."""
    use_capture(monkeypatch, fps=1000.0, count=5000, times_ms=[0.0, 33.0])

    with VideoReader(ten, LIMITS) as video:
        assert [frame.time_s for frame in video] == pytest.approx([0, 0.033])
        assert video.info.playing_fps == 30


def test_video_without_one_good_frame_is_refused(ten, monkeypatch):
    use_capture(monkeypatch, times_ms=[])

    with VideoReader(ten, LIMITS) as video, pytest.raises(InvalidVideo, match="no frame"):
        video.read()


def test_ffmpeg_opens_no_playlist_even_if_it_is_asked_to(stored, tmp_path):
    video_files.avi(tmp_path)
    concat = f"ffconcat version 1.0\nfile {tmp_path / 'made.avi'}\n".encode()

    for data in (video_files.playlist(tmp_path / "made.avi"), concat):
        assert not open_capture(str(stored(data))).isOpened()


def test_restrictions_are_put_back_when_somebody_changed_them(monkeypatch):
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file,http")
    restrict_ffmpeg()

    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"].startswith("protocol_whitelist;file|")


def test_reader_is_closed_only_when_nobody_reads(ten, monkeypatch):
    capture = use_capture(monkeypatch, times_ms=[0.0, 100.0], held=True)
    video = VideoReader(ten, LIMITS)
    reading = threading.Thread(target=video.read)
    reading.start()
    assert capture.grabbing.wait(10)

    video.close()
    assert not capture.released
    capture.go_on.set()
    reading.join(10)

    assert capture.released
    assert video.read() is None


def test_videos_are_told_from_other_files(ten, tmp_path):
    text = tmp_path / "text"
    text.write_text("hello")

    assert is_video_file(ten)
    assert not is_video_file(text)
    assert not is_video_file(tmp_path / "none")
    assert not is_video_file(tmp_path)


class Capture:
    """Stands for OpenCV's, with what no encoder here would write."""

    def __init__(self, *, fps, count, times_ms, held) -> None:
        self._values = {5: fps, 7: count, 3: 64.0, 4: 48.0}
        self._times_ms = times_ms
        self._at = -1
        self.released = False
        self.grabbing, self.go_on = threading.Event(), threading.Event()
        if not held:
            self.go_on.set()

    def isOpened(self):  # noqa: N802 -- OpenCV's name
        return True

    def get(self, what):
        return self._times_ms[self._at] if what == 0 else self._values[what]

    def grab(self):
        self.grabbing.set()
        assert self.go_on.wait(10)
        self._at += 1
        return self._at < len(self._times_ms)

    def retrieve(self):
        return True, np.zeros((48, 64, 3), np.uint8)

    def release(self):
        self.released = True


def use_capture(monkeypatch, *, fps=10.0, count=2.0, times_ms=(0.0,), held=False) -> Capture:
    capture = Capture(fps=fps, count=count, times_ms=times_ms, held=held)
    monkeypatch.setattr(reader_module, "open_capture", lambda _: capture)
    return capture


def test_unsupported_is_a_kind_of_invalid():
    assert issubclass(UnsupportedVideo, InvalidVideo)
