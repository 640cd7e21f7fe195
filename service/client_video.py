"""What both clients send of a video and how they read the lines of its answer."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from service.client_calls import BatchOptions, Call, headers_of, query_of
from service.client_flow import StanceProblem, UnexpectedAnswer, Unreachable
from service.http.schemas import Problem
from service.http.video_schemas import (
    VideoFrameDocument,
    VideoHeaderDocument,
    VideoSummaryDocument,
)
from service.inference.errors import InvalidInput
from service.inference.validation import first_problem

VideoSource = str | os.PathLike[str]
"""A video file's path."""

_VIDEO = "/predict/video"
_NDJSON, _BYTES = "application/x-ndjson", "application/octet-stream"
_BLOCK_BYTES = 256 * 1024


class VideoOptions(BatchOptions, total=False):
    """What may be asked about a video; whatever is left out is the service's to choose.

    Attributes:
        track: number people and keep their numbers.
        smooth: keep the joints of tracked people from trembling.
        every: n answers every n-th frame.
        max_frames: the most frames to answer.
    """

    track: bool
    smooth: bool
    every: int
    max_frames: int


def _kind(value: Any) -> str:
    if not isinstance(value, dict):
        return "problem"
    return str(cast("dict[str, Any]", value).get("kind", "problem"))


_Line = Annotated[
    Annotated[VideoHeaderDocument, Tag("header")]
    | Annotated[VideoFrameDocument, Tag("frame")]
    | Annotated[VideoSummaryDocument, Tag("summary")]
    | Annotated[Problem, Tag("problem")],
    Discriminator(_kind),
]
_LINE: TypeAdapter[VideoHeaderDocument | VideoFrameDocument | VideoSummaryDocument | Problem] = (
    TypeAdapter(_Line)
)


class FileBody:
    """A file's bytes, block by block, again for each attempt."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block


class AsyncFileBody:
    """As `FileBody`, read in threads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._path.open, "rb") as file:
            while block := await asyncio.to_thread(file.read, _BLOCK_BYTES):
                yield block


def predict_video(
    video: VideoSource, options: VideoOptions, body: type[FileBody] | type[AsyncFileBody]
) -> Call[None]:
    """The request; its answer is read line by line, see `Lines`.

    Raises:
        InvalidInput: the file cannot be read.
    """
    path = Path(video)
    try:
        length = path.stat().st_size
    except OSError as error:
        raise InvalidInput(
            f"video is {os.fspath(video)!r}, which cannot be read: {error.strerror}"
        ) from error
    headers = {
        "Accept": _NDJSON,
        "Content-Type": _BYTES,
        # Otherwise it would be sent in chunks, and a limit could not be told from its head.
        "Content-Length": str(length),
        **headers_of(options),
    }
    return Call(
        "POST",
        _VIDEO,
        lambda _: None,
        query_of(options, VideoOptions),
        headers,
        {"content": body(path)},
        options.get("timeout_s"),
    )


class Lines:
    """Reads the lines of an answer, which is complete once the summary has come."""

    def __init__(self) -> None:
        self._frames = 0
        self._complete = False

    def frame(self, text: str) -> VideoFrameDocument | None:
        """The frame that a line tells of; None for header and summary.

        Raises:
            StanceProblem: the service gave up.
            UnexpectedAnswer: the line is something else.
        """
        try:
            line = _LINE.validate_json(text)
        except ValidationError as error:
            raise UnexpectedAnswer(
                f"a line of the answer is not one about a video: {first_problem(error)}"
            ) from error
        match line:
            case Problem():
                raise StanceProblem(line)
            case VideoFrameDocument():
                self._frames += 1
                return line
            case VideoSummaryDocument():
                self._complete = True
            case VideoHeaderDocument():
                pass
        return None

    def check_complete(self) -> None:
        """Returns if the summary has come.

        Raises:
            Unreachable: it has not.
        """
        if not self._complete:
            raise self.ended_early()

    def ended_early(self) -> Unreachable:
        """The failure of an answer that stops too early."""
        return Unreachable(f"the answer ended after {self._frames} frames, before its summary")
