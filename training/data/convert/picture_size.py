"""The size of a picture as the decoder will give it, without decoding it."""

from pathlib import Path

from service.inference.errors import InvalidImage
from service.inference.exif import read_orientation, turns
from service.inference.image_header import read_header
from service.inference.types import Size

_HEADER_BYTES = 2**16
_EXIF = b"Exif\x00\x00"


def upright_size(path: Path) -> Size:
    """Height and width after the EXIF orientation of a JPEG file is applied.

    Raises:
        OSError: the file cannot be read.
        InvalidImage: it is no picture that can be read.
    """
    with path.open("rb") as file:
        data = file.read(_HEADER_BYTES)
        try:
            header = read_header(data)
        except InvalidImage:
            # Colour profiles and previews may come before the size.
            data += file.read()
            header = read_header(data)
    size = header.size
    if header.media_type == "image/jpeg" and turns(_orientation(data)):
        return Size(height=size.width, width=size.height)
    return size


def _orientation(data: bytes) -> int:
    start = data.find(_EXIF)
    return read_orientation(data[start:]) if start >= 0 else 1
