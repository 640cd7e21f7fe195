"""Reads a training picture with the decoder that serves."""

from pathlib import Path

from service.inference.errors import InvalidData, PoseError
from service.inference.image import ImageLimits, decode_image
from service.inference.types import Image

_LIMITS = ImageLimits(max_bytes=256 * 2**20, max_pixels=256 * 10**6)


def read_picture(path: Path) -> Image:
    """The picture at `path`, upright RGB.

    Raises:
        InvalidData: it is missing or cannot be decoded.
    """
    try:
        return decode_image(path.read_bytes(), _LIMITS)
    except OSError as error:
        raise InvalidData(f"picture {path}: {error.strerror}") from error
    except PoseError as error:
        raise InvalidData(f"picture {path}: {error}") from error
