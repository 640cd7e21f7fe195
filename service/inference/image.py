"""Picture bytes to an upright RGB `Image`, with limits that hold before anything is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np

from service.inference.errors import ImageTooLarge, InvalidImage
from service.inference.exif import flips, read_orientation, turn_upright, turns
from service.inference.image_header import ImageHeader, read_header
from service.inference.types import Floats, Image, Pixels, Size

ACCEPTED_MEDIA_TYPES = frozenset(("image/jpeg", "image/png", "image/webp", "image/bmp"))
_BAND_ROWS = 64
# Grey is only in the names: together with COLOR_RGB, OpenCV's flags for a size give colours.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The largest file in bytes and the largest picture in pixels."""

    max_bytes: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class ReducedImage:
    """An upright picture decoded at a fraction of its size.

    Attributes:
        pixels: uint8 RGB `[h, w, 3]`.
        size: of the whole picture.
        to_picture: float64 `[2, 3]`, from points of `pixels` to points of the whole picture.
    """

    pixels: Pixels
    size: Size
    to_picture: Floats


def decode_image(data: bytes, limits: ImageLimits) -> Image:
    """Decodes a JPEG, PNG, WebP or BMP file; EXIF orientation is applied, transparency is white.

    Grey, CMYK, palette and 16-bit pictures become 8-bit RGB; of an animation, the first frame is
    taken.

    Args:
        data: the file.
        limits: checked on the size of the file and on its header.

    Raises:
        ImageTooLarge: a limit is exceeded.
        UnsupportedImage: the file is of another format.
        InvalidImage: the file is empty, truncated or corrupt.
    """
    header = _checked_header(data, limits)
    pixels = _decode_pixels(data, header)
    if pixels is None:
        raise _corrupt(data, header)
    return Image(pixels)


def decode_reduced(data: bytes, limits: ImageLimits, scale: float) -> ReducedImage:
    """Decodes as `decode_image` does, a JPEG only as finely as needed, which saves time and memory.

    Args:
        data: the file.
        limits: checked on the size of the file and on its header.
        scale: pixels wanted for one of the picture's. A JPEG is decoded at 1/2, 1/4 or 1/8 of its
            size, whichever is the smallest that is not below; above 1/2, and in other formats,
            all pixels are given.

    Raises:
        ImageTooLarge, UnsupportedImage, InvalidImage: as `decode_image`.

    Source: libjpeg-turbo's `libjpeg.txt`, "scale_num, scale_denom".
    """
    header = _checked_header(data, limits)
    factor = next((factor for factor in _REDUCED if factor * scale <= 1), 1)
    if header.media_type != "image/jpeg" or factor == 1:
        image = decode_image(data, limits)
        return ReducedImage(image.pixels, image.size, np.eye(2, 3))
    flags = _REDUCED[factor] | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        raw, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=flags)
    except cv2.error as error:
        raise _corrupt(data, header) from error
    if cast("object", raw) is None:
        raise _corrupt(data, header)
    pixels = raw.astype(np.uint8, copy=False)
    return _turned(pixels, header.size, factor, _orientation(kinds, blocks))


def _turned(stored: Pixels, size: Size, factor: int, orientation: int) -> ReducedImage:
    """A picture turned upright, of which `stored` shows `size` pixels at `1 / factor`."""
    pixels = turn_upright(stored, orientation)
    width, height = size.width, size.height
    if turns(orientation):
        width, height = height, width
    # The last column and row may reach beyond the picture; mirrored, they are the first.
    beyond = np.array([pixels.shape[1] * factor - width, pixels.shape[0] * factor - height])
    offset = -beyond * flips(orientation)
    to_picture = np.array([[factor, 0, offset[0]], [0, factor, offset[1]]], np.float64)
    return ReducedImage(pixels, Size(height=height, width=width), to_picture)


def _checked_header(data: bytes, limits: ImageLimits) -> ImageHeader:
    if not data:
        raise InvalidImage("image is empty; expected the bytes of a picture")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"image has {len(data)} bytes; expected at most max_bytes = {limits.max_bytes}"
        )
    header = read_header(data)
    width, height = header.size.width, header.size.height
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"image is {width} x {height} = {width * height} pixels; "
            f"expected at most max_pixels = {limits.max_pixels}"
        )
    return header


def _corrupt(data: bytes, header: ImageHeader) -> InvalidImage:
    return InvalidImage(
        f"image of type {header.media_type} and {len(data)} bytes cannot be decoded; "
        "expected a whole file, this one is truncated or corrupt"
    )


def _decode_pixels(data: bytes, header: ImageHeader) -> Pixels | None:
    buffer = np.frombuffer(data, np.uint8)
    try:
        if header.transparent:
            pixels = _decode_over_white(buffer)
            if pixels is not None:
                return pixels
        return cast("Pixels | None", cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB))
    except cv2.error:
        # What OpenCV cannot decode it mostly answers with None, but not always.
        return None


def _decode_over_white(buffer: Pixels) -> Pixels | None:
    """Keeps the colours under transparent pixels, which may be anything, out of the picture.

    Returns:
        None if there is no alpha channel after all: OpenCV has none for a transparent grey value.
    """
    # Unchanged is the only mode that keeps the alpha channel, and it does not turn the picture.
    bgra, kinds, blocks = cv2.imdecodeWithMetadata(buffer, flags=cv2.IMREAD_UNCHANGED)
    if cast("object", bgra) is None or bgra.ndim != 3 or bgra.shape[2] != 4:
        return None
    eight_bit = (bgra // 256 if bgra.dtype == np.uint16 else bgra).astype(np.uint8, copy=False)
    return turn_upright(_over_white(eight_bit), _orientation(kinds, blocks))


def _orientation(kinds: Sequence[int], blocks: Sequence[Any]) -> int:
    exif = dict(zip(kinds, blocks, strict=True)).get(cv2.IMAGE_METADATA_EXIF)
    return 1 if exif is None else read_orientation(exif.tobytes())


def _over_white(bgra: Pixels) -> Pixels:
    """Blends `[H, W, 4]` with white; `[H, W, 3]`, band by band so that little memory is needed."""
    rgb = np.empty((*bgra.shape[:2], 3), np.uint8)
    for top in range(0, len(bgra), _BAND_ROWS):
        band = bgra[top : top + _BAND_ROWS].astype(np.uint16)
        colours, alpha = band[..., 2::-1], band[..., 3:]
        rgb[top : top + _BAND_ROWS] = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb
