import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from service.inference.errors import ImageTooLarge, InvalidImage, PoseError, UnsupportedImage
from service.inference.image import ACCEPTED_MEDIA_TYPES, ImageLimits, decode_image
from service.inference.types import Image, Size

LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=20_000_000)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
# Red, green, blue and white quarters: every turn and mirror image looks different.
QUARTERS = np.zeros((32, 64, 3), np.uint8)
QUARTERS[:16, :32] = (255, 0, 0)
QUARTERS[:16, 32:] = (0, 255, 0)
QUARTERS[16:, :32] = (0, 0, 255)
QUARTERS[16:, 32:] = (255, 255, 255)


def encoded(media_type, pixels=QUARTERS, mode=None, orientation=None, **options):
    file = io.BytesIO()
    if orientation:
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    if media_type == "JPEG":
        options |= {"quality": 100, "subsampling": 0}
    if media_type == "WEBP":
        options |= {"lossless": True, "exact": True}
    picture = Pillow.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(file, media_type, **options)
    return file.getvalue()


def png_of(width, height, bit_depth=8, colour_type=2, content=b"\0"):
    """A PNG by hand, so that its header may promise more than its content holds."""

    def chunk(name, body):
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(content, 1))
        + chunk(b"IEND", b"")
    )


def corners(image):
    pixels = image.pixels
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue"}
    names[(255, 255, 255)] = "white"
    rounded = np.where(pixels[[4, 4, -5, -5], [4, -5, 4, -5]] > 127, 255, 0)
    return [names[tuple(colour)] for colour in rounded.tolist()]


@pytest.mark.parametrize("media_type", FORMATS)
def test_colours_and_places_survive(media_type):
    image = decode_image(encoded(media_type), LIMITS)

    assert image.pixels.dtype == np.uint8
    assert np.abs(image.pixels.astype(int) - QUARTERS).max() < 6


def test_each_accepted_type_has_a_format():
    assert {f"image/{name.lower()}" for name in FORMATS} == ACCEPTED_MEDIA_TYPES


@pytest.mark.parametrize("media_type", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, ["red", "green", "blue", "white"]),
        (2, ["green", "red", "white", "blue"]),
        (3, ["white", "blue", "green", "red"]),
        (4, ["blue", "white", "red", "green"]),
        (5, ["red", "blue", "green", "white"]),
        (6, ["blue", "red", "white", "green"]),
        (7, ["white", "green", "blue", "red"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
def test_picture_is_turned_upright(media_type, orientation, expected):
    image = decode_image(encoded(media_type, orientation=orientation), LIMITS)

    assert corners(image) == expected
    assert image.size == (Size(64, 32) if orientation >= 5 else Size(32, 64))


@pytest.mark.parametrize("media_type", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_transparent_picture_is_turned_like_an_opaque_one(media_type, orientation):
    opaque = decode_image(encoded(media_type, orientation=orientation), LIMITS)
    with_alpha = np.dstack([QUARTERS, np.full(QUARTERS.shape[:2], 254, np.uint8)])

    image = decode_image(encoded(media_type, with_alpha, orientation=orientation), LIMITS)

    assert np.abs(image.pixels.astype(int) - opaque.pixels).max() <= 1


@pytest.mark.parametrize("media_type", ["PNG", "WEBP"])
def test_transparent_pixels_are_white(media_type):
    hidden = np.zeros((32, 64, 4), np.uint8)
    hidden[..., 0] = 255
    hidden[:, 32:, 3] = 128
    hidden[20:, :, 3] = 255

    pixels = decode_image(encoded(media_type, hidden), LIMITS).pixels

    assert pixels[5, 5].tolist() == [255, 255, 255]
    assert pixels[5, 40].tolist() == [255, 127, 127]
    assert pixels[25, 5].tolist() == [255, 0, 0]


def test_transparent_16_bit_pixels_are_white():
    grey = np.full((8, 8, 4), 0x8040, np.uint16)
    grey[:4, :, 3] = 0
    grey[4:, :, 3] = 65535
    _, data = cv2.imencode(".png", grey)

    pixels = decode_image(data.tobytes(), LIMITS).pixels

    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[7, 7].tolist() == [0x80, 0x80, 0x80]


def test_transparent_palette_entry_is_white():
    palette = Pillow.fromarray(QUARTERS).quantize(4)
    hidden = palette.getpixel((0, 0))
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=hidden)

    assert corners(decode_image(file.getvalue(), LIMITS)) == ["white", "green", "blue", "white"]


def test_transparent_grey_value_does_not_hinder_decoding():
    image = decode_image(encoded("PNG", QUARTERS, "L", transparency=255), LIMITS)

    assert image.pixels[4, 4].tolist() == [76, 76, 76]


@pytest.mark.parametrize("media_type", ["JPEG", "PNG", "BMP"])
def test_grey_picture_becomes_rgb(media_type):
    pixels = decode_image(encoded(media_type, mode="L"), LIMITS).pixels

    assert pixels.shape == (32, 64, 3)
    np.testing.assert_allclose(pixels[4, 4], [76, 76, 76], atol=2)


def test_cmyk_picture_becomes_rgb():
    assert corners(decode_image(encoded("JPEG", mode="CMYK"), LIMITS)) == [
        "red",
        "green",
        "blue",
        "white",
    ]


def test_palette_picture_becomes_rgb():
    image = decode_image(encoded("PNG", mode="P"), LIMITS)

    assert corners(image) == ["red", "green", "blue", "white"]


def test_16_bit_picture_becomes_8_bit():
    _, data = cv2.imencode(".png", QUARTERS[..., ::-1].astype(np.uint16) * 257)

    image = decode_image(data.tobytes(), LIMITS)

    np.testing.assert_array_equal(image.pixels, QUARTERS)


def test_animation_gives_its_first_frame():
    file = io.BytesIO()
    frames = [Pillow.fromarray(QUARTERS), Pillow.fromarray(255 - QUARTERS)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)

    image = decode_image(file.getvalue(), LIMITS)

    assert corners(image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("media_type", FORMATS)
def test_single_pixel_is_a_picture(media_type):
    image = decode_image(encoded(media_type, np.full((1, 1, 3), 255, np.uint8)), LIMITS)

    assert image.pixels.tolist() == [[[255, 255, 255]]]


def test_12_megapixel_photograph_is_decoded():
    photo = cv2.resize(skimage.data.astronaut(), (4000, 3000))
    _, data = cv2.imencode(".jpg", photo[..., ::-1])

    assert decode_image(data.tobytes(), LIMITS).size == Size(height=3000, width=4000)


def test_too_many_bytes_are_refused():
    with pytest.raises(ImageTooLarge, match="101 bytes; expected at most max_bytes = 100"):
        decode_image(b"\xff\xd8" + bytes(99), ImageLimits(max_bytes=100, max_pixels=100))


@pytest.mark.parametrize("media_type", FORMATS)
def test_too_many_pixels_are_refused(media_type):
    data = encoded(media_type)

    with pytest.raises(
        ImageTooLarge, match="64 x 32 = 2048 pixels; expected at most max_pixels = 2047"
    ):
        decode_image(data, ImageLimits(max_bytes=100_000, max_pixels=2047))
    assert decode_image(data, ImageLimits(max_bytes=100_000, max_pixels=2048))


def test_header_that_promises_a_giant_is_refused_before_decoding(monkeypatch):
    monkeypatch.delattr(cv2, "imdecode")

    with pytest.raises(ImageTooLarge, match=r"900000000 pixels; .* max_pixels = 20000000"):
        decode_image(png_of(30_000, 30_000), LIMITS)


def test_opencv_refuses_a_giant_even_where_the_limit_is_higher():
    giant = png_of(16_500, 16_500, bit_depth=1, colour_type=0, content=bytes(16_500 * 2064))
    script = (
        "import sys\n"
        "from service.inference.image import ImageLimits, decode_image\n"
        "from service.inference.errors import InvalidImage\n"
        "try:\n"
        "    decode_image(sys.stdin.buffer.read(), ImageLimits(10**9, 10**9))\n"
        "except InvalidImage:\n"
        "    print('refused')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], input=giant, capture_output=True, check=True
    )

    assert done.stdout == b"refused\n"


def test_empty_bytes_are_invalid():
    with pytest.raises(InvalidImage, match="empty"):
        decode_image(b"", LIMITS)


def test_text_is_unsupported():
    with pytest.raises(UnsupportedImage, match="begins with b'hello'"):
        decode_image(b"hello", LIMITS)


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95, "all but the last byte"])
def test_truncated_file_is_invalid(media_type, kept):
    data = encoded(media_type, skimage.data.astronaut()[::4, ::4])
    length = len(data) - 1 if isinstance(kept, str) else int(len(data) * kept)

    with pytest.raises(InvalidImage, match="truncated or corrupt"):
        decode_image(data[:length], LIMITS)


def test_truncated_transparent_file_is_invalid():
    data = encoded("PNG", np.dstack([QUARTERS, QUARTERS[..., 0]]))

    with pytest.raises(InvalidImage, match="truncated or corrupt"):
        decode_image(data[: len(data) // 2], LIMITS)


@given(
    media_type=st.sampled_from(FORMATS),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    kept=st.floats(0, 1),
)
def test_damaged_file_is_a_picture_or_refused(media_type, damage, kept):
    data = bytearray(encoded(media_type))
    for place, value in damage:
        data[int(place * len(data))] = value

    try:
        image = decode_image(bytes(data[: int(kept * len(data))]), ImageLimits(10_000, 10_000))
    except PoseError:
        return
    assert isinstance(image, Image)
    assert image.pixels.shape[2] == 3


@given(
    magic=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8X", b"BM"]),
    rest=st.binary(max_size=200),
)
def test_nonsense_behind_a_signature_is_refused(magic, rest):
    with pytest.raises(PoseError):
        decode_image(magic + rest, ImageLimits(10_000, 10_000))
