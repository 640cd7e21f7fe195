"""Reads training pictures with the decoder that serves."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service.inference.errors import InvalidData, PoseError
from service.inference.image import ImageLimits, decode_image, decode_reduced
from service.inference.image_header import read_header
from service.inference.types import Image, Size

_LIMITS = ImageLimits(max_bytes=256 * 2**20, max_pixels=256 * 10**6)
T = TypeVar("T")


class BrokenPicture(InvalidData):
    """A picture is missing or cannot be decoded.

    Attributes:
        path: of its file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"picture {path}: {reason}")
        self.path = path


def read_picture(path: Path) -> Image:
    """The picture at `path`, upright RGB.

    Raises:
        BrokenPicture: it is missing or cannot be decoded.
    """
    return _decode(path, lambda data: decode_image(data, _LIMITS))


def read_reduced(path: Path, scale: Callable[[Size], float]) -> Image:
    """The picture at `path`, upright RGB, decoded no finer than needed.

    Args:
        path: of the file.
        scale: pixels wanted for one of the picture's, given its size as stored (EXIF may turn it).

    Raises:
        BrokenPicture: it is missing or cannot be decoded.
    """
    return _decode(path, lambda data: decode_reduced(data, _LIMITS, scale(read_header(data).size)))


def _decode(path: Path, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise BrokenPicture(path, error.strerror or str(error)) from error
    except PoseError as error:
        raise BrokenPicture(path, str(error)) from error
