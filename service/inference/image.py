"""Picture bytes to an upright RGB `Image`, with limits that hold before anything is decoded."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from service.inference.errors import ImageTooLarge, InvalidImage
from service.inference.exif import read_orientation, turn_upright
from service.inference.image_header import ImageHeader, read_header
from service.inference.types import Image, Pixels

ACCEPTED_MEDIA_TYPES = frozenset(("image/jpeg", "image/png", "image/webp", "image/bmp"))
_BAND_ROWS = 64


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
    if not data:
        raise InvalidImage("image is empty; expected the bytes of a picture")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"image has {len(data)} bytes; expected at most max_bytes = {limits.max_bytes}"
        )
    header = read_header(data)
    _check_pixels(header, limits)
    pixels = _decode_pixels(data, header)
    if pixels is None:
        raise InvalidImage(
            f"image of type {header.media_type} and {len(data)} bytes cannot be decoded; "
            "expected a whole file, this one is truncated or corrupt"
        )
    return Image(pixels)


def _check_pixels(header: ImageHeader, limits: ImageLimits) -> None:
    width, height = header.size.width, header.size.height
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"image is {width} x {height} = {width * height} pixels; "
            f"expected at most max_pixels = {limits.max_pixels}"
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
    metadata = dict(zip(kinds, blocks, strict=True))
    exif = metadata.get(cv2.IMAGE_METADATA_EXIF)
    orientation = 1 if exif is None else read_orientation(exif.tobytes())
    return turn_upright(_over_white(eight_bit), orientation)


def _over_white(bgra: Pixels) -> Pixels:
    """Blends `[H, W, 4]` with white; `[H, W, 3]`, band by band so that little memory is needed."""
    rgb = np.empty((*bgra.shape[:2], 3), np.uint8)
    for top in range(0, len(bgra), _BAND_ROWS):
        band = bgra[top : top + _BAND_ROWS].astype(np.uint16)
        colours, alpha = band[..., 2::-1], band[..., 3:]
        rgb[top : top + _BAND_ROWS] = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb
