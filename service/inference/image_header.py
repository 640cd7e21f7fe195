"""What the first bytes of a picture say: format, size, transparency. Nothing is decoded.

Sources: ITU-T T.81 annex B (JPEG), the W3C's PNG specification, RFC 9649 (WebP), and the
BITMAPCOREHEADER and BITMAPINFOHEADER structures (BMP).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from service.inference import jpeg, png
from service.inference.errors import InvalidImage, UnsupportedImage
from service.inference.types import Size

_SHOWN_BYTES = 12
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN_OR_END = frozenset((jpeg.END, jpeg.START_OF_SCAN))
_PNG_ALPHA_COLOUR_TYPES = (4, 6)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Media type, stored size (before EXIF turns it) and whether pixels may be transparent."""

    media_type: str
    size: Size
    transparent: bool = False


def read_header(data: bytes) -> ImageHeader:
    """Recognises a JPEG, PNG, WebP or BMP by its content.

    Raises:
        UnsupportedImage: the bytes begin like none of the four.
        InvalidImage: the header is cut off or has no pixels.
    """
    parse = _parser(data)
    try:
        header = parse(data)
    except (struct.error, IndexError) as error:
        raise InvalidImage(
            f"image has {len(data)} bytes and ends within its header; expected a whole file"
        ) from error
    if header.size.width < 1 or header.size.height < 1:
        raise InvalidImage(
            f"image is {header.size.width} x {header.size.height} pixels; expected at least 1 x 1"
        )
    return header


def _parser(data: bytes) -> Callable[[bytes], ImageHeader]:
    if data.startswith(b"\xff\xd8"):
        return _read_jpeg
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _read_png
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp
    if data.startswith(b"BM"):
        return _read_bmp
    raise UnsupportedImage(
        f"image begins with {data[:_SHOWN_BYTES]!r}; expected a JPEG, PNG, WebP or BMP file"
    )


def _read_jpeg(data: bytes) -> ImageHeader:
    for marker, position in jpeg.segments(data):
        if marker in _JPEG_SCAN_OR_END:
            raise InvalidImage("image is a JPEG file without a frame header; expected a whole file")
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return ImageHeader("image/jpeg", Size(height=height, width=width))
    raise IndexError


def _read_png(data: bytes) -> ImageHeader:
    length, name, width, height, _, colour_type = struct.unpack_from(">I4sIIBB3x", data, 8)
    if name != b"IHDR" or length != 13:
        raise InvalidImage(f"image is a PNG file whose first chunk is {name!r}; expected b'IHDR'")
    transparent = colour_type in _PNG_ALPHA_COLOUR_TYPES or _has_png_transparency(data)
    return ImageHeader("image/png", Size(height=height, width=width), transparent)


def _has_png_transparency(data: bytes) -> bool:
    """Whether a `tRNS` chunk stands before the pixels."""
    names = (name for name, _, _ in png.chunks(data))
    return next((name for name in names if name in (b"tRNS", b"IDAT")), None) == b"tRNS"


def _read_webp(data: bytes) -> ImageHeader:
    (kind,) = struct.unpack_from("4s", data, 12)
    content = 20
    if kind == b"VP8X":
        flags, *sides = struct.unpack_from("<B3x3s3s", data, content)
        width, height = (1 + int.from_bytes(side, "little") for side in sides)
        return ImageHeader("image/webp", Size(height=height, width=width), bool(flags & 0x10))
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, content + 1)
        size = Size(height=1 + (bits >> 14 & 0x3FFF), width=1 + (bits & 0x3FFF))
        return ImageHeader("image/webp", size, bool(bits >> 28 & 1))
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, content + 6)
        return ImageHeader("image/webp", Size(height=height & 0x3FFF, width=width & 0x3FFF))
    raise InvalidImage(
        f"image is a WebP file whose first chunk is {kind!r}; expected VP8, VP8L or VP8X"
    )


def _read_bmp(data: bytes) -> ImageHeader:
    (header_length,) = struct.unpack_from("<I", data, 14)
    # The old header has unsigned 16-bit sides; later a negative height means top row first.
    width, height = struct.unpack_from("<HH" if header_length == 12 else "<ii", data, 18)
    return ImageHeader("image/bmp", Size(height=abs(height), width=width))
