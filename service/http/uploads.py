"""Reads a picture out of a request, raw or multipart, within the limits on bytes and time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.http.problems import MalformedRequest, UploadTimeout
from service.http.schemas import MAX_BOXES, Boxes
from service.inference.errors import ImageTooLarge, InvalidInput, PoseError, UnsupportedImage
from service.inference.image import ACCEPTED_MEDIA_TYPES
from service.inference.types import Box

RAW_MEDIA_TYPES = ACCEPTED_MEDIA_TYPES | {"application/octet-stream"}
MULTIPART = "multipart/form-data"
_FIELDS = frozenset({"image", "boxes"})
_CHARSETS = frozenset({b"utf-8", b"utf8", b"us-ascii", b"iso-8859-1"})
MULTIPART_OVERHEAD_BYTES = 64 * 1024
_LONGEST_NUMBER = 18
"""Digits; Python itself refuses to read numbers of some thousands."""
_RATE_GRACE_S = 5.0
"""Connections may begin slowly, and small bodies need no rate."""
_BOXES = TypeAdapter[Boxes](Boxes)


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture's bytes, and boxes of the people in it if the client knows them."""

    data: bytes
    boxes: tuple[Box, ...] | None = None


class FormParser(MultiPartParser):
    """Keeps files in memory, and refuses a form that stops before its last boundary."""

    # 0 never spills to a file: the body is bounded here, and the disk may be read-only.
    spool_max_size = 0

    def __init__(
        self, headers: Headers, body: AsyncGenerator[bytes, None], *, max_files: int
    ) -> None:
        super().__init__(
            headers,
            self._whole(body),
            max_files=max_files,
            max_fields=1,
            max_part_size=MULTIPART_OVERHEAD_BYTES,
        )
        self._ended = False

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in body:
            yield chunk
        if not self._ended:
            raise MultiPartException("It ends too early.")


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture of a batch: its bytes, and the file's name if the form has one."""

    data: bytes
    filename: str | None


async def read_upload(
    request: Request, *, max_bytes: int, timeout_s: float, min_bytes_per_s: int = 0
) -> Upload:
    """The picture that a request carries.

    Args:
        request: with the picture as its body, or a multipart form with a file `image`.
        max_bytes: of the picture.
        timeout_s: for the whole body.
        min_bytes_per_s: the slowest rate, counted after the first seconds.

    Raises:
        UnsupportedImage: the content type or encoding is not one that is read here.
        ImageTooLarge: the announced or the sent bytes exceed the limit.
        MalformedRequest: the body or the picture in it is empty, or no multipart form.
        InvalidInput: the form has no file `image`, unknown fields, or malformed boxes.
        UploadTimeout: the body did not arrive in time, or comes too slowly.
    """
    media_type = _media_type(request, {MULTIPART, *RAW_MEDIA_TYPES})
    async with within(timeout_s):
        if media_type == MULTIPART:
            return await _read_form(request, max_bytes, min_bytes_per_s)
        data = await _read_raw(request, max_bytes, min_bytes_per_s)
        return Upload(_not_empty(data, "the body"))


async def read_batch(
    request: Request,
    *,
    max_bytes: int,
    max_pictures: int,
    timeout_s: float,
    min_bytes_per_s: int = 0,
) -> list[NamedPicture]:
    """The pictures of a form with any number of files `image`, in its order.

    Args:
        request: a multipart form.
        max_bytes: of the whole body.
        max_pictures: in the form.
        timeout_s: for the whole body.
        min_bytes_per_s: the slowest rate, counted after the first seconds.

    Raises:
        UnsupportedImage: the body is no form, or is encoded.
        ImageTooLarge: the announced or the sent bytes exceed the limit.
        MalformedRequest: no multipart form, or one of too many files.
        InvalidInput: the form has no file `image`, or another field.
        UploadTimeout: the body did not arrive in time, or comes too slowly.
    """
    _media_type(request, {MULTIPART})
    async with within(timeout_s):
        expected = f"at most {max_pictures} files 'image' and no other field"
        body = limited_body(request, max_bytes, min_bytes_per_s)
        form = await parse_form(request, body, max_files=max_pictures, expected=expected)
        try:
            unknown = sorted(set(form) - {"image"})
            if unknown:
                raise InvalidInput(f"the form has a field {unknown[0]!r}; expected {expected}")
            files = form.getlist("image")
            if not files:
                raise InvalidInput("the form's field 'image' is missing; expected picture files")
            return [await _named(file) for file in files]
        finally:
            await form.close()


async def read_body(
    request: Request, *, max_bytes: int, timeout_s: float, min_bytes_per_s: int = 0
) -> bytes:
    """A request's whole body, of whatever type and encoding.

    Args:
        request: to read.
        max_bytes: of the body.
        timeout_s: for the whole body.
        min_bytes_per_s: the slowest rate, counted after the first seconds.

    Raises:
        ImageTooLarge: the announced or the sent bytes exceed the limit.
        UploadTimeout: the body did not arrive in time, or comes too slowly.
    """
    async with within(timeout_s):
        return await _read_raw(request, max_bytes, min_bytes_per_s)


async def _named(file: UploadFile | str) -> NamedPicture:
    if isinstance(file, str):
        raise InvalidInput("the form's field 'image' is no file; expected a picture file")
    return NamedPicture(await file.read(), file.filename or None)


def _media_type(request: Request, accepted: set[str]) -> str:
    """The body's type, if it is accepted and not encoded."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type not in accepted:
        expected = ", ".join(sorted(accepted))
        raise UnsupportedImage(f"Content-Type is {media_type!r}; expected one of {expected}")
    if encoding != "identity":
        raise UnsupportedImage(f"Content-Encoding is {encoding!r}; expected none")
    return media_type


@asynccontextmanager
async def within(timeout_s: float) -> AsyncGenerator[None]:
    """Ends what is awaited in the block.

    Raises:
        UploadTimeout: it took too long.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise UploadTimeout(
            f"the body was not complete; expected all of it within {timeout_s:g} s"
        ) from error


async def _read_raw(request: Request, max_bytes: int, min_bytes_per_s: int) -> bytes:
    async with aclosing(limited_body(request, max_bytes, min_bytes_per_s)) as stream:
        return b"".join([chunk async for chunk in stream])


async def _read_form(request: Request, max_bytes: int, min_bytes_per_s: int) -> Upload:
    expected = "one file 'image' and at most one field 'boxes'"
    body = limited_body(request, max_bytes + MULTIPART_OVERHEAD_BYTES, min_bytes_per_s)
    form = await parse_form(request, body, max_files=1, expected=expected)
    try:
        data = await _image_of(form)
        boxes = _boxes_of(form)
    finally:
        await form.close()
    if len(data) > max_bytes:
        raise ImageTooLarge(f"image has {len(data)} bytes; expected at most {max_bytes}")
    return Upload(data, boxes)


async def parse_form(
    request: Request,
    body: AsyncGenerator[bytes],
    *,
    max_files: int,
    expected: str,
    parser: type[FormParser] = FormParser,
) -> FormData:
    """The fields of a form, to be closed by the caller.

    Raises:
        MalformedRequest: it is none, or has too many files or fields.
    """
    _check_charset(request)
    async with aclosing(body) as chunks:
        try:
            return await parser(request.headers, chunks, max_files=max_files).parse()
        except MultiPartException as error:
            raise MalformedRequest(
                f"the form is malformed: {error.message} Expected {expected}"
            ) from error


def _check_charset(request: Request) -> None:
    """Of Python's many codecs some are no charset, and fail in ways of their own."""
    _, options = parse_options_header(request.headers["content-type"])
    charset = options.get(b"charset", b"utf-8").lower()
    if charset not in _CHARSETS:
        raise MalformedRequest(f"the form's charset is {charset[:40]!r}; expected utf-8")


async def _image_of(form: FormData) -> bytes:
    unknown = sorted(set(form) - _FIELDS)
    if unknown:
        raise InvalidInput(f"the form has a field {unknown[0]!r}; expected 'image' and 'boxes'")
    image = form.get("image")
    if not isinstance(image, UploadFile):
        found = "is no file" if "image" in form else "is missing"
        raise InvalidInput(f"the form's field 'image' {found}; expected a picture file")
    return _not_empty(await image.read(), "the file 'image'")


def _boxes_of(form: FormData) -> tuple[Box, ...] | None:
    text = form.get("boxes")
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidInput("the form's field 'boxes' is a file; expected a text field with JSON")
    try:
        rows = _BOXES.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = "".join(f"[{part}]" for part in problem["loc"])
        raise InvalidInput(
            f"boxes{place}: {problem['msg']}; expected JSON [[x, y, width, height], ...] with "
            f"finite numbers, sizes above 0 and at most {MAX_BOXES} boxes"
        ) from error
    return tuple(Box.from_xywh(*row) for row in rows)


async def limited_body(
    request: Request,
    max_bytes: int,
    min_bytes_per_s: int,
    too_large: type[PoseError] = ImageTooLarge,
) -> AsyncGenerator[bytes, None]:
    """The body's chunks, up to a limit that is checked on the announced length first."""
    announced = request.headers.get("content-length", "")[:_LONGEST_NUMBER]
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large(f"the body has {announced} bytes; expected at most {max_bytes}")
    started, received = asyncio.get_running_loop().time(), 0
    async with aclosing(request.stream()) as stream:
        while True:
            # None is no limit.
            due = started + _RATE_GRACE_S + received / min_bytes_per_s if min_bytes_per_s else None
            chunk = await _in_pace(stream, due, min_bytes_per_s)
            if chunk is None:
                return
            received += len(chunk)
            if received > max_bytes:
                raise too_large(f"the body has more than {max_bytes} bytes; expected at most that")
            yield chunk


async def _in_pace(
    stream: AsyncGenerator[bytes], due: float | None, min_bytes_per_s: int
) -> bytes | None:
    try:
        async with asyncio.timeout_at(due):
            return await anext(stream, None)
    except TimeoutError as error:
        raise UploadTimeout(
            f"the body came too slowly; expected at least {min_bytes_per_s} bytes per second"
        ) from error


def _not_empty(data: bytes, what: str) -> bytes:
    if not data:
        raise MalformedRequest(f"{what} is empty; expected the bytes of a picture")
    return data
