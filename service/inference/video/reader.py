"""A video file to upright RGB frames, one by one, in limits that no header can lie away."""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import cv2
import numpy as np

from service.inference.errors import InvalidVideo, VideoTooLarge
from service.inference.types import Image, Pixels, Size
from service.inference.video.container import HEAD_BYTES, check_container
from service.inference.video.ffmpeg import open_capture

_MAX_FPS = 1000.0
"""Browsers record WebM files whose rate reads as their clock's: a thousand."""
_PLAUSIBLE_FPS = 240.0
_USUAL_FPS = 30.0
_GRABS_PER_STEP = 16


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """The largest file in bytes, the most frames and seconds, and the most pixels of a frame."""

    max_bytes: int
    max_frames: int
    max_seconds: float
    max_pixels: int


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video's container states.

    Attributes:
        size: of the upright frames.
        fps: frames per second; the times of frames may say otherwise.
        frames: their number, None where it is not stated; nothing proves it before the end.
    """

    size: Size
    fps: float
    frames: int | None

    @property
    def playing_fps(self) -> float:
        """A rate to show the frames with: `fps`, unless that is a clock's."""
        return self.fps if self.fps <= _PLAUSIBLE_FPS else _USUAL_FPS


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame of a video.

    Attributes:
        index: from 0, counted over all frames of the file.
        time_s: since the first frame.
        image: upright.
    """

    index: int
    time_s: float
    image: Image


class VideoReader:
    """The frames of a file; a context manager.

    It may be used by several threads one after the other, and closed by any at any time: FFmpeg
    must not be closed while it decodes, so who is decoding then does it.

    Args:
        path: of the file.
        limits: checked on what the container states, and again while frames come.
        every: n gives every n-th frame, from the first on.
        max_frames: at which to stop without complaint, counted after `every`; None reads all.

    Raises:
        VideoTooLarge: the container states more than a limit.
        UnsupportedVideo: the file is of another format.
        InvalidVideo: the file is empty, truncated or corrupt, has no pictures, or states a rate
            that is none.
    """

    def __init__(
        self,
        path: Path,
        limits: VideoLimits,
        *,
        every: int = 1,
        max_frames: int | None = None,
    ) -> None:
        self._limits = limits
        self._every = every
        self._left = max_frames
        self._lock = threading.Lock()
        self._closed = self._ended = False
        self._index = -1
        self._first_s, self._time_s = 0.0, 0.0
        _check_file(path, limits)
        self._capture = open_capture(str(path.resolve()))
        try:
            self.info = self._read_info()
        except (InvalidVideo, VideoTooLarge):
            self._capture.release()
            raise

    @property
    def ended(self) -> bool:
        """Whether no frame comes any more."""
        return self._ended

    @property
    def frames_read(self) -> int:
        """Frames of the file so far, also those between the wanted ones."""
        return self._index + 1

    @property
    def time_s(self) -> float:
        """Of the last frame that was read."""
        return self._time_s

    def read(self) -> VideoFrame | None:
        """The next wanted frame; None at the end, and after every few frames that are not wanted.

        So a call takes a short time whatever `every` is; `ended` tells the two apart.

        Raises:
            VideoTooLarge: there are more frames, seconds or pixels than a limit allows.
            InvalidVideo: not one frame can be decoded.
        """
        try:
            with self._lock:
                return None if self._closed or self._ended else self._step()
        finally:
            if self._closed:
                self.close()

    def close(self) -> None:
        """Lets go of the file, as soon as nobody reads from it."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._capture.release()
            finally:
                self._lock.release()

    def __iter__(self) -> Iterator[VideoFrame]:
        while not (self._ended or self._closed):
            frame = self.read()
            if frame is not None:
                yield frame

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read_info(self) -> VideoInfo:
        capture = self._capture
        if not capture.isOpened():
            raise InvalidVideo(
                "video cannot be opened; expected a whole file with a picture track that can be "
                "decoded: this one is truncated or corrupt, or holds only sound"
            )
        fps = _checked_fps(capture.get(cv2.CAP_PROP_FPS))
        width = round(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        size = Size(height=height, width=width)
        self._check_pixels(size)
        frames = _stated_frames(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        info = VideoInfo(size, fps, frames)
        if frames is not None:
            self._check_stated(frames, info)
        return info

    def _check_stated(self, frames: int, info: VideoInfo) -> None:
        """Refuses at once what would be refused later, unless only a beginning is asked for."""
        wanted = frames if self._left is None else min(frames, (self._left - 1) * self._every + 1)
        # Of a clock's rate the number of frames follows too: only their time is known.
        if info.fps <= _PLAUSIBLE_FPS and wanted > self._limits.max_frames:
            raise _too_many_frames(f"{frames}", self._limits)
        if wanted / info.fps > self._limits.max_seconds:
            raise _too_long(f"{frames / info.fps:.1f}", self._limits)

    def _step(self) -> VideoFrame | None:
        for _ in range(_GRABS_PER_STEP):
            if self._left == 0 or not self._capture.grab():
                return self._end()
            self._index += 1
            if self._index >= self._limits.max_frames:
                raise _too_many_frames(f"more than {self._limits.max_frames}", self._limits)
            self._keep_time(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            if self._index % self._every == 0:
                return self._retrieve()
        return None

    def _retrieve(self) -> VideoFrame | None:
        try:
            found, bgr = self._capture.retrieve()
        except cv2.error as error:
            raise InvalidVideo(f"frame {self._index} cannot be decoded") from error
        if not found:
            return self._end()
        shape = bgr.shape
        self._check_pixels(Size(height=shape[0], width=shape[1]))
        if self._left is not None:
            self._left -= 1
        rgb = cast("Pixels", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        return VideoFrame(self._index, self._time_s, Image(rgb.astype(np.uint8, copy=False)))

    def _end(self) -> None:
        self._ended = True
        if self._index < 0:
            raise InvalidVideo("video has no frame that can be decoded; expected at least one")

    def _keep_time(self, stamp_s: float) -> None:
        """Takes a frame's time stamp, or what the rate says where it is none or goes back."""
        if self._index == 0:
            self._first_s = stamp_s if math.isfinite(stamp_s) else 0.0
            return
        time_s = stamp_s - self._first_s
        if not math.isfinite(time_s) or time_s <= self._time_s:
            time_s = self._time_s + 1 / self.info.fps
        self._time_s = time_s
        if time_s > self._limits.max_seconds:
            raise _too_long(f"more than {self._limits.max_seconds:g}", self._limits)

    def _check_pixels(self, size: Size) -> None:
        if size.width < 1 or size.height < 1:
            raise InvalidVideo(
                f"frames are {size.width} x {size.height} pixels; expected at least 1 x 1"
            )
        if size.width * size.height > self._limits.max_pixels:
            raise VideoTooLarge(
                f"frames are {size.width} x {size.height} = {size.width * size.height} pixels; "
                f"expected at most max_pixels = {self._limits.max_pixels}"
            )


def is_video_file(path: Path) -> bool:
    """Whether a file begins like a video; False for one that cannot be read."""
    try:
        check_container(_head(path))
    except (InvalidVideo, OSError):
        return False
    return True


def _check_file(path: Path, limits: VideoLimits) -> None:
    try:
        length, head = path.stat().st_size, _head(path)
    except OSError as error:
        raise InvalidVideo(f"video cannot be read: {error.strerror}") from error
    if length == 0:
        raise InvalidVideo("video is empty; expected the bytes of a video")
    if length > limits.max_bytes:
        raise VideoTooLarge(
            f"video has {length} bytes; expected at most max_video_bytes = {limits.max_bytes}"
        )
    check_container(head)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _checked_fps(fps: float) -> float:
    if not math.isfinite(fps) or not 0 < fps <= _MAX_FPS:
        raise InvalidVideo(
            f"video states {fps:g} frames per second; expected more than 0, at most {_MAX_FPS:g}"
        )
    return fps


def _stated_frames(count: float) -> int | None:
    return round(count) if math.isfinite(count) and count >= 1 else None


def _too_many_frames(found: str, limits: VideoLimits) -> VideoTooLarge:
    return VideoTooLarge(
        f"video has {found} frames; expected at most max_video_frames = {limits.max_frames}, "
        "or a lower max_frames to be asked for"
    )


def _too_long(found: str, limits: VideoLimits) -> VideoTooLarge:
    return VideoTooLarge(
        f"video lasts {found} s; expected at most max_video_seconds = {limits.max_seconds:g}, "
        "or a lower max_frames to be asked for"
    )
