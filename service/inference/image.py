"""Picture bytes to an upright RGB `Image`, with limits that hold before anything is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from service.inference import jpeg, png
from service.inference.errors import ImageTooLarge, InvalidImage
from service.inference.exif import flips, read_orientation, turn_upright, turns
from service.inference.image_header import ImageHeader, read_header
from service.inference.types import Image, Pixels, Reduction, Size

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
    header = checked_header(data, limits)
    pixels = _decode_pixels(data, header)
    if pixels is None:
        raise _corrupt(data, header)
    return Image(pixels)


def decode_reduced(data: bytes, limits: ImageLimits, scale: float) -> Image:
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
    header = checked_header(data, limits)
    factor = next((factor for factor in _REDUCED if factor * scale <= 1), 1)
    if header.media_type != "image/jpeg" or factor == 1:
        return decode_image(data, limits)
    flags = _REDUCED[factor] | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        raw, kinds, blocks = cv2.imdecodeWithMetadata(_affordable(data, header), flags=flags)
    except cv2.error as error:
        raise _corrupt(data, header) from error
    if cast("object", raw) is None:
        raise _corrupt(data, header)
    pixels = raw.astype(np.uint8, copy=False)
    return _turned(pixels, header.size, factor, _orientation(kinds, blocks))


def _turned(stored: Pixels, size: Size, factor: int, orientation: int) -> Image:
    """A picture turned upright, of which `stored` shows `size` pixels at `1 / factor`."""
    pixels = turn_upright(stored, orientation)
    width, height = size.width, size.height
    if turns(orientation):
        width, height = height, width
    # The last column and row may reach beyond the picture; mirrored, they are the first.
    beyond = np.array([pixels.shape[1] * factor - width, pixels.shape[0] * factor - height])
    offset = -beyond * flips(orientation)
    to_picture = np.array([[factor, 0, offset[0]], [0, factor, offset[1]]], np.float64)
    return Image(pixels, Reduction(Size(height=height, width=width), to_picture))


def checked_header(data: bytes, limits: ImageLimits) -> ImageHeader:
    """What a picture's file says about itself, within the limits; nothing is decoded.

    Raises:
        ImageTooLarge: a limit is exceeded.
        UnsupportedImage: the file is of another format.
        InvalidImage: the file is empty, or ends within its header.
    """
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


def _affordable(data: bytes, header: ImageHeader) -> Pixels:
    """The file as the decoder gets it, which would work for minutes on some files of a megabyte.

    Raises:
        InvalidImage: the file is one of them and cannot be trimmed.
    """
    match header.media_type:
        case "image/jpeg":
            jpeg.check_scans(data)
        case "image/png":
            data = png.without_extras(data)
        case _:
            pass
    return np.frombuffer(data, np.uint8)


def _decode_pixels(data: bytes, header: ImageHeader) -> Pixels | None:
    buffer = _affordable(data, header)
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
    return turn_upright(_over_white(bgra), _orientation(kinds, blocks))


def _orientation(kinds: Sequence[int], blocks: Sequence[Any]) -> int:
    exif = dict(zip(kinds, blocks, strict=True)).get(cv2.IMAGE_METADATA_EXIF)
    return 1 if exif is None else read_orientation(exif.tobytes())


def _over_white(bgra: npt.NDArray[Any]) -> Pixels:
    """Blends `[H, W, 4]`, uint8 or uint16, with white; `[H, W, 3]` uint8.

    It goes band by band, so that little memory is needed.
    """
    rgb = np.empty((*bgra.shape[:2], 3), np.uint8)
    for top in range(0, len(bgra), _BAND_ROWS):
        band = bgra[top : top + _BAND_ROWS]
        if band.dtype == np.uint16:
            # It rounds, and is to leave out the lower byte.
            band = cv2.convertScaleAbs(band, alpha=1 / 256, beta=-0.498)
        colours = cv2.cvtColor(band, cv2.COLOR_BGRA2RGB)
        alpha = cv2.cvtColor(band[..., 3], cv2.COLOR_GRAY2RGB)
        blended = cv2.multiply(colours, alpha, scale=1 / 255)
        rgb[top : top + _BAND_ROWS] = cv2.add(blended, cv2.bitwise_not(alpha))
    return rgb
