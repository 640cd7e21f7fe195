"""`python -m service predict` with videos."""

import json

import numpy as np
import pytest

from service.cli import main
from service.inference.video.reader import VideoLimits, VideoReader
from service.videos import Progress
from tests.service import video_files
from tests.service.http.conftest import encode

COUNT = 5


@pytest.fixture
def predict(monkeypatch, models_dir, capsys):
    monkeypatch.setenv("POSE_MODELS_DIR", str(models_dir))
    monkeypatch.setenv("POSE_DEVICE", "cpu")

    def run(*arguments: object) -> tuple[int, list[dict], str]:
        code = main(["predict", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


@pytest.fixture
def clip(tmp_path):
    """Its name says nothing: the content does."""
    pictures = [np.full((128, 160, 3), 255, np.uint8)] * COUNT
    path = video_files.write(tmp_path / "white.mp4", pictures)
    return path.rename(tmp_path / "clip")


def drawn(path):
    limits = VideoLimits(max_bytes=10**7, max_frames=99, max_seconds=99, max_pixels=10**6)
    with VideoReader(path, limits) as video:
        return video.info, [frame.image.pixels for frame in video]


def test_video_is_answered_line_by_line(predict, clip):
    code, (header, *frames, summary), err = predict(clip)

    assert (code, err) == (0, "")
    assert (header["kind"], header["frames"]) == ("header", COUNT)
    assert [frame["frame"] for frame in frames] == list(range(COUNT))
    assert "track_id" not in frames[0]["persons"][0]
    assert (summary["kind"], summary["frames"]) == ("summary", COUNT)


def test_people_are_numbered_if_asked_for(predict, clip):
    _, (_, *frames, summary), _ = predict(clip, "--track", "--every", 2)

    assert [frame["frame"] for frame in frames] == [0, 2, 4]
    assert [[one["track_id"] for one in frame["persons"]] for frame in frames] == [[1, 2]] * 3
    assert summary["tracks"] == 2


def test_video_is_drawn_into_a_video(predict, clip, tmp_path):
    out = tmp_path / "new" / "out.mp4"

    assert predict(clip, "--track", "--render", out, "--every", 2) == (0, [], "")

    info, pictures = drawn(out)
    assert (info.size.width, info.size.height, len(pictures)) == (160, 128, 3)
    assert info.fps == video_files.FPS / 2
    # It was white.
    assert all((picture < 128).any() for picture in pictures)


def test_lines_and_drawing_go_together(predict, clip, tmp_path):
    code, lines, _ = predict(clip, "--json", "--render", tmp_path / "out.mp4", "--no-smooth")

    assert code == 0
    assert len(lines) == COUNT + 2
    assert (tmp_path / "out.mp4").exists()


def test_video_is_not_overwritten_by_its_drawing(predict, clip):
    path = clip.rename(clip.with_suffix(".mp4"))
    before = path.read_bytes()

    code, lines, err = predict(path, "--render", path.parent / "." / path.name)

    assert (code, lines) == (2, [])
    assert "the video itself" in err
    assert path.read_bytes() == before


def test_drawing_of_a_video_is_an_mp4(predict, clip, tmp_path):
    code, _, err = predict(clip, "--render", tmp_path / "out.png")

    assert code == 2
    assert "expected a name that ends with .mp4" in err


def test_pictures_and_videos_may_be_mixed(predict, clip, tmp_path):
    (tmp_path / "photo.png").write_bytes(encode(np.full((64, 64, 3), 255, np.uint8)))

    code, lines, _ = predict(tmp_path / "photo.png", clip, "--render", tmp_path / "out", "--json")

    assert code == 0
    assert len(lines) == 1 + COUNT + 2
    assert {one.name for one in (tmp_path / "out").iterdir()} == {"photo.png", "clip.mp4"}


def test_broken_video_is_told_and_leaves_no_drawing(predict, tmp_path):
    broken = tmp_path / "broken.avi"
    broken.write_bytes(video_files.sound_only())

    code, lines, err = predict(broken, "--render", tmp_path / "out.mp4")

    assert (code, lines) == (2, [])
    assert "broken.avi: video cannot be opened" in err
    assert list(tmp_path.glob("**/*.mp4")) == []


def test_videos_have_no_coco_results(predict, clip):
    code, _, err = predict(clip, "--format", "coco")

    assert code == 2
    assert "--format is coco; expected json for a video" in err


class Terminal:
    def __init__(self, *, shown: bool) -> None:
        self.text = ""
        self._shown = shown

    def isatty(self):
        return self._shown

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_is_for_terminals(monkeypatch):
    monkeypatch.setattr("service.videos._REFRESH_S", 0.0)
    terminal, pipe = Terminal(shown=True), Terminal(shown=False)
    for stream in (terminal, pipe):
        with Progress("clip.mp4", 20, stream) as progress:
            progress.show(5)

    assert "clip.mp4: 5/20 frames" in terminal.text
    assert terminal.text.endswith("\r\x1b[K")
    assert pipe.text == ""
