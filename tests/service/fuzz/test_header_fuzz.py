"""Headers, EXIF blocks and whole pictures with damage that nobody thought of."""

import struct
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inference.errors import InvalidImage, PoseError
from service.inference.exif import read_orientation
from service.inference.image import ImageLimits, decode_image, decode_reduced
from service.inference.image_header import read_header
from tests.service.fuzz import bmp_files, jpeg_files, png_files, webp_files

LIMITS = ImageLimits(max_bytes=200_000, max_pixels=200_000)
SIGNATURES = (
    b"\xff\xd8\xff",
    png_files.SIGNATURE,
    b"RIFF\0\1\0\0WEBPVP8X",
    b"RIFF\0\1\0\0WEBPVP8L",
)
EXTREMES = [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x01", b"\xff\xff"]

fuzz = settings(max_examples=400, deadline=None, derandomize=True)


@cache
def valid() -> tuple[bytes, ...]:
    """Small files of all formats, kinds and colours that are decoded."""
    modules = (jpeg_files, png_files, webp_files, bmp_files)
    files = [data for module in modules for _, data, status in module.cases() if status == 200]
    return tuple(data for data in files if len(data) < 60_000)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid file with bytes replaced, cut out, doubled, or taken from another one."""
    data = bytearray(draw(st.sampled_from(valid())))
    for _ in range(draw(st.integers(1, 4))):
        # Most of what matters is in the first bytes.
        place = draw(st.integers(0, min(len(data), 120)) | st.integers(0, len(data)))
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(["flip", "extreme", "cut", "double", "splice", "truncate"])):
            case "flip":
                data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "extreme":
                value = draw(st.sampled_from(EXTREMES))
                data[place : place + len(value)] = value
            case "cut":
                del data[place : place + length]
            case "double":
                data[place:place] = data[place : place + length] * draw(st.integers(1, 50))
            case "splice":
                other = draw(st.sampled_from(valid()))
                start = draw(st.integers(0, len(other)))
                data[place : place + length] = other[start : start + length]
            case _:
                del data[place:]
    return bytes(data)


@given(
    start=st.sampled_from((b"", b"BM", *SIGNATURES)),
    rest=st.binary(max_size=300),
)
@fuzz
def test_header_of_any_bytes_is_read_or_refused(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(start + rest)
    except InvalidImage:
        return
    assert header.size.width >= 1
    assert header.size.height >= 1


@given(
    order=st.sampled_from([b"II", b"MM", b""]),
    offset=st.just(8) | st.integers(0, 2**32 - 1) | st.integers(0, 40),
    entries=st.integers(0, 4) | st.integers(0, 65535),
    values=st.lists(st.integers(0, 65535), max_size=4),
    rest=st.binary(max_size=60),
)
@fuzz
def test_orientation_of_any_exif_block_is_one_of_eight(
    order: bytes, offset: int, entries: int, values: list[int], rest: bytes
) -> None:
    endian = "<" if order == b"II" else ">"
    tags = [struct.pack(f"{endian}HHIHH", 0x0112, 3, 1, value, 0) for value in values]
    tiff = order + struct.pack(f"{endian}HIH", 42, offset, entries) + b"".join(tags) + rest

    for block in (tiff, b"Exif\0\0" + tiff, rest):
        assert read_orientation(block) in range(1, 9)


@given(data=damaged())
@fuzz
def test_damaged_picture_is_refused_or_has_the_size_of_its_header(data: bytes) -> None:
    try:
        picture = decode_image(data, LIMITS)
    except PoseError:
        return
    promised = read_header(data).size
    height, width = picture.size.height, picture.size.width
    assert (height, width) in (
        (promised.height, promised.width),
        (promised.width, promised.height),
    )
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == (height, width, 3)


@given(data=damaged())
@fuzz
def test_damaged_picture_has_the_same_size_in_every_decoder(data: bytes) -> None:
    sizes = set()
    for decode in (decode_image, lambda *given: decode_reduced(*given, 0.2)):
        with suppress(PoseError):
            sizes.add(decode(data, LIMITS).size)
    assert len(sizes) <= 1


def test_undamaged_picture_has_the_size_of_its_header() -> None:
    assert len(valid()) > 70
    for data in valid():
        size = read_header(data).size
        assert decode_image(data, LIMITS).pixels.shape == (size.height, size.width, 3)


def test_picture_that_ends_within_its_first_bytes_is_refused() -> None:
    for data in valid():
        for length in range(1, 60):
            with pytest.raises(PoseError):
                decode_image(data[:length], LIMITS)
