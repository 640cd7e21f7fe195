"""Reads a picture out of a request, raw or multipart, within the limits on bytes and time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.http.problems import MalformedRequest, UploadTimeout
from service.http.schemas import MAX_BOXES, Boxes
from service.inference.errors import ImageTooLarge, InvalidInput, UnsupportedImage
from service.inference.image import ACCEPTED_MEDIA_TYPES
from service.inference.types import Box

RAW_MEDIA_TYPES = ACCEPTED_MEDIA_TYPES | {"application/octet-stream"}
MULTIPART = "multipart/form-data"
_FIELDS = frozenset({"image", "boxes"})
_MULTIPART_OVERHEAD_BYTES = 64 * 1024
_BOXES = TypeAdapter[Boxes](Boxes)


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture's bytes, and boxes of the people in it if the client knows them."""

    data: bytes
    boxes: tuple[Box, ...] | None = None


class _FormParser(MultiPartParser):
    """Keeps files in memory, and refuses a form that stops before its last boundary."""

    # 0 never spills to a file: the body is bounded here, and the disk may be read-only.
    spool_max_size = 0

    def __init__(self, headers: Headers, body: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            headers,
            self._whole(body),
            max_files=1,
            max_fields=1,
            max_part_size=_MULTIPART_OVERHEAD_BYTES,
        )
        self._ended = False

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in body:
            yield chunk
        if not self._ended:
            raise MultiPartException("It ends too early.")


async def read_upload(request: Request, *, max_bytes: int, timeout_s: float) -> Upload:
    """The picture that a request carries.

    Args:
        request: with the picture as its body, or a multipart form with a file `image`.
        max_bytes: of the picture.
        timeout_s: for the whole body.

    Raises:
        UnsupportedImage: the content type or encoding is not one that is read here.
        ImageTooLarge: the announced or the sent bytes exceed the limit.
        MalformedRequest: the body or the picture in it is empty, or no multipart form.
        InvalidInput: the form has no file `image`, unknown fields, or malformed boxes.
        UploadTimeout: the body did not arrive in time.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type not in RAW_MEDIA_TYPES and media_type != MULTIPART:
        expected = ", ".join(sorted({MULTIPART, *RAW_MEDIA_TYPES}))
        raise UnsupportedImage(f"Content-Type is {media_type!r}; expected one of {expected}")
    if encoding != "identity":
        raise UnsupportedImage(f"Content-Encoding is {encoding!r}; expected none")
    try:
        async with asyncio.timeout(timeout_s):
            if media_type == MULTIPART:
                return await _read_form(request, max_bytes)
            return Upload(_not_empty(await _read_raw(request, max_bytes), "the body"))
    except TimeoutError as error:
        raise UploadTimeout(
            f"the body was not complete; expected all of it within {timeout_s:g} s"
        ) from error


async def _read_raw(request: Request, max_bytes: int) -> bytes:
    async with aclosing(_limited(request, max_bytes)) as stream:
        return b"".join([chunk async for chunk in stream])


async def _read_form(request: Request, max_bytes: int) -> Upload:
    async with aclosing(_limited(request, max_bytes + _MULTIPART_OVERHEAD_BYTES)) as body:
        try:
            form = await _FormParser(request.headers, body).parse()
        except MultiPartException as error:
            raise MalformedRequest(
                f"the form is malformed: {error.message} Expected one file 'image' and at most "
                "one field 'boxes'"
            ) from error
    try:
        data = await _image_of(form)
        boxes = _boxes_of(form)
    finally:
        await form.close()
    if len(data) > max_bytes:
        raise ImageTooLarge(f"image has {len(data)} bytes; expected at most {max_bytes}")
    return Upload(data, boxes)


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


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks, up to a limit that is checked on the announced length first."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise ImageTooLarge(f"the body has {announced} bytes; expected at most {max_bytes}")
    received = 0
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            received += len(chunk)
            if received > max_bytes:
                raise ImageTooLarge(
                    f"the body has more than {max_bytes} bytes; expected at most that"
                )
            yield chunk


def _not_empty(data: bytes, what: str) -> bytes:
    if not data:
        raise MalformedRequest(f"{what} is empty; expected the bytes of a picture")
    return data
