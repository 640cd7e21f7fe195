"""Reads a video out of a request into a temporary file that nobody else can open."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from starlette.datastructures import UploadFile

from service.http.problems import MalformedRequest
from service.http.uploads import (
    MULTIPART,
    MULTIPART_OVERHEAD_BYTES,
    FormParser,
    limited_body,
    parse_form,
    within,
)
from service.inference.errors import InvalidInput, Overloaded, UnsupportedVideo, VideoTooLarge

_RAW, _FAMILY = "application/octet-stream", "video/"
_BLOCK_BYTES = 1024 * 1024
_FULL_RETRY_S = 30
_EXPECTED = "one file 'video' and no other field"


class _SpooledParser(FormParser):
    """Keeps little of a file in memory: the rest is on the disk, in a file without a name."""

    spool_max_size = _BLOCK_BYTES


class Spool:
    """A temporary file, for its owner alone.

    Attributes:
        path: of the file.
        file: open for writing.
    """

    def __init__(self) -> None:
        # mkstemp's mode is 0600.
        handle, name = tempfile.mkstemp(prefix="stance-", suffix=".video")
        self.path = Path(name)
        self.file: BinaryIO = os.fdopen(handle, "wb")

    def forget(self) -> None:
        """Takes the name away: whoever has opened the file keeps it, and a crash leaves nothing.

        Windows does not let go of a file that is open: there `close` comes later.
        """
        if os.name != "nt":
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Deletes the file."""
        self.file.close()
        self.path.unlink(missing_ok=True)


@contextmanager
def spooled() -> Generator[Spool]:
    """A temporary file for the length of the block.

    Raises:
        Overloaded: there is no room for it.
    """
    with _room():
        spool = Spool()
    try:
        yield spool
    finally:
        spool.close()


async def read_video(
    request: Request,
    spool: Spool,
    *,
    max_bytes: int,
    timeout_s: float,
    min_bytes_per_s: int = 0,
) -> None:
    """Writes the video that a request carries into a file.

    Args:
        request: with the video as its body, or a multipart form with a file `video`.
        spool: the file.
        max_bytes: of the video.
        timeout_s: for the whole body.
        min_bytes_per_s: the slowest rate, counted after the first seconds.

    Raises:
        UnsupportedVideo: the content type or encoding is not one that is read here.
        VideoTooLarge: the announced or the sent bytes exceed the limit.
        MalformedRequest: the body or the video in it is empty, or no multipart form.
        InvalidInput: the form has no file `video`, or another field.
        UploadTimeout: the body did not arrive in time, or comes too slowly.
        Overloaded: there is no room for it.
    """
    is_form = _is_form(request)
    most = max_bytes + MULTIPART_OVERHEAD_BYTES if is_form else max_bytes
    body = limited_body(request, most, min_bytes_per_s, VideoTooLarge)
    with _room():
        async with within(timeout_s):
            if is_form:
                written = await _write_form(request, body, spool.file)
            else:
                written = await _write_raw(body, spool.file)
    if written == 0:
        raise MalformedRequest("the video is empty; expected the bytes of a video")
    if written > max_bytes:
        raise VideoTooLarge(f"video has {written} bytes; expected at most {max_bytes}")


@contextmanager
def _room() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise Overloaded(
            f"the video cannot be kept while it is looked at: {error.strerror}; try again later.",
            retry_after_s=_FULL_RETRY_S,
        ) from error


def _is_form(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedVideo(f"Content-Encoding is {encoding!r}; expected none")
    if media_type not in (MULTIPART, _RAW) and not media_type.startswith(_FAMILY):
        raise UnsupportedVideo(
            f"Content-Type is {media_type!r}; expected video/*, {_RAW} or {MULTIPART}"
        )
    return media_type == MULTIPART


async def _write_raw(body: AsyncGenerator[bytes], file: BinaryIO) -> int:
    """Writes block by block, in threads: a disk may be slow."""
    block, written = bytearray(), 0
    async with aclosing(body) as chunks:
        async for chunk in chunks:
            block += chunk
            written += len(chunk)
            if len(block) >= _BLOCK_BYTES:
                await asyncio.to_thread(file.write, bytes(block))
                block.clear()
    await asyncio.to_thread(_write_last, file, bytes(block))
    return written


def _write_last(file: BinaryIO, block: bytes) -> None:
    file.write(block)
    file.flush()


async def _write_form(request: Request, body: AsyncGenerator[bytes], file: BinaryIO) -> int:
    form = await parse_form(request, body, max_files=1, expected=_EXPECTED, parser=_SpooledParser)
    try:
        unknown = sorted(set(form) - {"video"})
        if unknown:
            raise InvalidInput(f"the form has a field {unknown[0]!r}; expected {_EXPECTED}")
        video = form.get("video")
        if not isinstance(video, UploadFile):
            found = "is no file" if "video" in form else "is missing"
            raise InvalidInput(f"the form's field 'video' {found}; expected a video file")
        return await asyncio.to_thread(_copy, video.file, file)
    finally:
        await form.close()


def _copy(source: BinaryIO, file: BinaryIO) -> int:
    shutil.copyfileobj(source, file, _BLOCK_BYTES)
    file.flush()
    return file.tell()
