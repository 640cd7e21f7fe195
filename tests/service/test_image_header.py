import io
import struct

import numpy as np
import pytest
from PIL import Image as Pillow

from service.inference.errors import InvalidImage, UnsupportedImage
from service.inference.image_header import read_header
from service.inference.types import Size

SIZE = Size(height=11, width=23)


def encoded(media_type, mode="RGB", **options):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE.height, SIZE.width, 4), np.uint8)
    Pillow.fromarray(pixels).convert(mode).save(file, media_type, **options)
    return file.getvalue()


def bmp_header(size_of_header, fields):
    return b"BM" + bytes(12) + struct.pack("<I", size_of_header) + fields + bytes(40)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(encoded("JPEG"), "image/jpeg", id="jpeg"),
        pytest.param(encoded("JPEG", progressive=True), "image/jpeg", id="progressive jpeg"),
        pytest.param(encoded("JPEG", exif=b"Exif\0\0" + b"\xff\xc0" * 99), "image/jpeg", id="exif"),
        pytest.param(encoded("JPEG", "CMYK"), "image/jpeg", id="cmyk jpeg"),
        pytest.param(encoded("PNG"), "image/png", id="png"),
        pytest.param(encoded("WEBP"), "image/webp", id="lossy webp"),
        pytest.param(encoded("WEBP", lossless=True), "image/webp", id="lossless webp"),
        pytest.param(encoded("WEBP", exif=b"Exif\0\0MM"), "image/webp", id="extended webp"),
        pytest.param(encoded("BMP"), "image/bmp", id="bmp"),
        pytest.param(bmp_header(12, struct.pack("<HH", 23, 11)), "image/bmp", id="old bmp"),
        pytest.param(bmp_header(40, struct.pack("<ii", 23, -11)), "image/bmp", id="top-down bmp"),
    ],
)
def test_format_and_size_are_read_from_the_header(data, media_type):
    header = read_header(data)

    assert (header.media_type, header.size, header.transparent) == (media_type, SIZE, False)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded("PNG", "RGBA"), id="png"),
        pytest.param(encoded("PNG", "LA"), id="grey png"),
        pytest.param(encoded("PNG", "P", transparency=0), id="palette png"),
        pytest.param(encoded("WEBP", "RGBA"), id="extended webp"),
        pytest.param(encoded("WEBP", "RGBA", lossless=True), id="lossless webp"),
    ],
)
def test_transparency_is_read_from_the_header(data):
    assert read_header(data).transparent


@pytest.mark.parametrize(
    "data",
    [b"hello, this is text", b"GIF89a" + bytes(20), b"%PDF-1.7", b"\x00", b"RIFF\0\0\0\0WAVE"],
)
def test_other_formats_are_unsupported(data):
    with pytest.raises(UnsupportedImage, match="expected a JPEG, PNG, WebP or BMP file"):
        read_header(data)


@pytest.mark.parametrize("media_type", ["JPEG", "PNG", "WEBP", "BMP"])
def test_header_that_is_cut_off_is_invalid(media_type):
    data = encoded(media_type)

    for length in range(12, 23):
        with pytest.raises(InvalidImage, match="expected a whole file"):
            read_header(data[:length])


def test_other_jpeg_segments_and_padding_are_passed_over():
    data = encoded("JPEG")
    huffman, arithmetic, padding = b"\xff\xc4\0\x08abcdef", b"\xff\xcc\0\x08abcdef", b"\xff\xff"

    header = read_header(data[:2] + huffman + arithmetic + padding + data[2:])

    assert header.size == SIZE


def test_jpeg_without_a_frame_is_invalid():
    with pytest.raises(InvalidImage, match="without a frame header"):
        read_header(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xda\x00\x02\xff\xd9")


def test_picture_without_pixels_is_invalid():
    with pytest.raises(InvalidImage, match="0 x 11 pixels; expected at least 1 x 1"):
        read_header(bmp_header(40, struct.pack("<ii", 0, 11)))


def test_png_must_begin_with_its_header_chunk():
    data = encoded("PNG").replace(b"IHDR", b"JUNK")

    with pytest.raises(InvalidImage, match="first chunk is b'JUNK'"):
        read_header(data)


def test_webp_of_an_unknown_kind_is_invalid():
    data = encoded("WEBP").replace(b"VP8 ", b"VP9 ", 1)

    with pytest.raises(InvalidImage, match="first chunk is b'VP9 '"):
        read_header(data)
