"""Video files in, lines of JSON and drawn videos out: the pipeline without a server."""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from service.http.video_documents import frame_document, header_document, line, summary_document
from service.inference.estimator import PoseEstimator
from service.inference.render import draw_persons
from service.inference.types import Image
from service.inference.video.reader import VideoLimits
from service.inference.video.writer import VideoWriter
from service.runtime.clip import Answered, Clip, ClipOptions

_REFRESH_S = 0.2
_STAGES = ("decode", "detect", "keypoints", "queue", "total")


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """What is asked about a video file.

    Attributes:
        max_pixels: of a frame; a file of one's own may be of any length.
        track: number people.
        smooth: smooth the joints of those.
        every: n looks at every n-th frame.
    """

    max_pixels: int
    track: bool
    smooth: bool
    every: int


def answer_video(
    estimator: PoseEstimator,
    path: Path,
    drawing: Path | None,
    options: VideoOptions,
) -> Iterator[str]:
    """Finds the people in a video file, and draws them if asked for.

    Args:
        estimator: finds them.
        path: of the video.
        drawing: an MP4 file to write, which is there once all lines have been taken.
        options: what is asked.

    Returns:
        Lines of JSON: a header, each frame as soon as it is done, a summary.

    Raises:
        PoseError: the file cannot be read, is no video, or the drawing cannot be written.
    """
    limits = VideoLimits(
        max_bytes=sys.maxsize,
        max_frames=sys.maxsize,
        max_seconds=math.inf,
        max_pixels=options.max_pixels,
    )
    asked = ClipOptions(track=options.track, smooth=options.smooth, every=options.every)
    clip = Clip(path, estimator, limits, asked)
    with ExitStack() as stack:
        stack.callback(clip.close)
        writer = None
        if drawing is not None:
            fps = clip.info.playing_fps / options.every
            writer = stack.enter_context(VideoWriter(drawing, clip.info.size, fps))
        progress = stack.enter_context(Progress(path.name, clip.info.frames))
        yield line(header_document(estimator, clip.info))
        stages_s: Counter[str] = Counter(dict.fromkeys(_STAGES, 0.0))
        for answered, frame_s in _answered(clip):
            stages_s.update(frame_s)
            if writer is not None:
                writer.write(_drawn(estimator, answered))
            progress.show(clip.frames_read)
            yield line(frame_document(answered, frame_s, None))
        yield line(summary_document(clip, stages_s))


class Progress:
    """How far a video is, on a terminal; a context manager.

    Args:
        name: of the video.
        frames: that it has, if it is known.
        stream: where to tell; unless given, stderr, so that stdout holds results alone.
    """

    def __init__(self, name: str, frames: int | None, stream: TextIO | None = None) -> None:
        self._name = name
        self._of = "" if frames is None else f"/{frames}"
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._began_s = self._told_s = time.monotonic()

    def show(self, frames: int) -> None:
        """Tells that so many frames have been read."""
        now = time.monotonic()
        if self._shown and now - self._told_s >= _REFRESH_S:
            self._told_s = now
            per_s = frames / (now - self._began_s)
            text = f"{self._name}: {frames}{self._of} frames, {per_s:.1f} per second"
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")


def _answered(clip: Clip) -> Iterator[tuple[Answered, dict[str, float]]]:
    """Each frame, and the seconds that its stages took."""
    started = time.perf_counter()
    while not clip.ended:
        answered = clip.step()
        if answered is not None:
            total_s = time.perf_counter() - started
            yield answered, {**answered.stages_s, "queue": 0.0, "total": total_s}
            started = time.perf_counter()


def _drawn(estimator: PoseEstimator, answered: Answered) -> Image:
    return draw_persons(
        answered.image,
        [one.person for one in answered.tracked],
        estimator.skeleton,
        track_ids=[one.track_id for one in answered.tracked],
    )
