import numpy as np
import pytest

from service.inference.errors import InvalidInput
from service.inference.types import Image, Size
from service.inference.video.reader import VideoLimits, VideoReader
from service.inference.video.writer import VideoWriter

LIMITS = VideoLimits(max_bytes=10**7, max_frames=99, max_seconds=99, max_pixels=10**6)


def red(size=(48, 64)):
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[..., 0] = 255
    return Image(pixels)


def test_written_frames_can_be_read(tmp_path):
    path = tmp_path / "new" / "out.mp4"

    with VideoWriter(path, Size(48, 64), 10) as writer:
        for _ in range(5):
            writer.write(red())
        assert not path.exists()

    with VideoReader(path, LIMITS) as video:
        frames = list(video)
    assert (video.info.fps, len(frames)) == (10, 5)
    assert frames[0].image.pixels.mean((0, 1)).argmax() == 0
    assert [one.name for one in path.parent.iterdir()] == ["out.mp4"]


def test_file_is_readable_as_others_are(tmp_path):
    (tmp_path / "other").touch()
    with VideoWriter(tmp_path / "out.mp4", Size(48, 64), 10) as writer:
        writer.write(red())

    assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_goes_wrong_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")

    writer = VideoWriter(path, Size(48, 64), 10)
    writer.write(red())
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(InvalidInput, match="cannot be written"):
        VideoWriter(tmp_path / "file" / "out.mp4", Size(48, 64), 10)
