"""Frames to an MP4 file that is there only when it is complete."""

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2

from service.inference.errors import InvalidInput
from service.inference.types import Image, Size

SUFFIX = ".mp4"


class VideoWriter:
    """Writes beside the wanted file and takes its name at the end; a context manager.

    Args:
        path: of the file, which is replaced if it exists.
        size: of all frames.
        fps: frames per second.

    Raises:
        InvalidInput: the folder cannot be written to, or a video of this size cannot be made.
    """

    def __init__(self, path: Path, size: Size, fps: float) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # mkstemp makes the file, so that no other process can put its own there.
            handle, name = tempfile.mkstemp(SUFFIX, f".{path.stem}-", path.parent)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
        os.close(handle)
        self._partial = Path(name)
        # MPEG-4 part 2: the one video codec that every build of OpenCV's FFmpeg can write.
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, codec, fps, (size.width, size.height))
        if not self._writer.isOpened():
            self.discard()
            raise InvalidInput(
                f"{path}: a video of {size.width} x {size.height} pixels and {fps:g} frames per "
                "second cannot be written"
            )

    def write(self, image: Image) -> None:
        """Adds a frame."""
        self._writer.write(cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR))

    def finish(self) -> None:
        """Completes the file and gives it its name."""
        self._writer.release()
        # mkstemp's are for the owner alone; this one is as if it had been made in place.
        mask = os.umask(0)
        os.umask(mask)
        self._partial.chmod(0o666 & ~mask)
        self._partial.replace(self._path)

    def discard(self) -> None:
        """Deletes what was written."""
        self._writer.release()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.discard()
