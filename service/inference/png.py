"""The chunks of a PNG file, and what it takes to decode them. No pixel is decoded.

Source: the W3C's PNG specification, third edition.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

from service.inference.errors import InvalidImage

_BEFORE_CHUNKS = 8
_MAX_CHUNKS = 20_000
# What the pixels are made of and where is up; all other chunks describe, or animate.
_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"))
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MOST_INFLATED_PER_BYTE = 1032
# Some programs write a little too much; this much costs less than a large picture.
_HARMLESS_SURPLUS_BYTES = 64 * 2**20
_PIECE_BYTES = 64 * 1024


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk of a PNG file; the last one may be cut off.

    A chunk is four bytes of length, four of name, its content, and four of checksum.

    Raises:
        InvalidImage: there are more chunks than any program writes.
    """
    position = _BEFORE_CHUNKS
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, position)
        yield name, position, position + length + 12
        if name == b"IEND":
            return
        position += length + 12
    raise InvalidImage(f"image is a PNG file of more than {_MAX_CHUNKS} chunks; expected fewer")


def without_extras(data: bytes) -> bytes:
    """A PNG file without what its pixels do not need: texts, colour profiles, animation.

    libpng would inflate texts, a thousand bytes for each of the file's, only to throw them away.

    Raises:
        InvalidImage: there are too many chunks, or the pixels inflate to far more than the header
            promises.
    """
    file = memoryview(data)
    kept: list[memoryview] = [file[:_BEFORE_CHUNKS]]
    pixels: list[memoryview] = []
    seen = set[bytes]()
    for name, start, end in chunks(data):
        if name == b"IDAT":
            pixels.append(file[start + 8 : end - 4])
        elif name not in _NEEDED or name in seen:
            continue
        seen.add(name)
        kept.append(file[start:end])
    _check_surplus(pixels, _pixel_bytes(data))
    return b"".join(kept)


def _pixel_bytes(data: bytes) -> int:
    """What the pixels inflate to, at most: a byte before each row, interlaced twice as many."""
    width, height, depth, colour_type, interlaced = struct.unpack_from(">IIBB2xB", data, 16)
    row = 1 + (width * _SAMPLES.get(colour_type, 4) * depth + 7) // 8
    return row * height * (2 if interlaced else 1)


def _check_surplus(compressed: Sequence[memoryview], needed: int) -> None:
    """Refuses pixels that go on after the last row; libpng would inflate all of it."""
    limit = needed + _HARMLESS_SURPLUS_BYTES
    if sum(map(len, compressed)) * _MOST_INFLATED_PER_BYTE <= limit:
        return
    inflater, inflated = zlib.decompressobj(), 0
    for piece in compressed:
        left: bytes | memoryview = piece
        while left and not inflater.eof:
            try:
                inflated += len(inflater.decompress(left, _PIECE_BYTES))
            except zlib.error:
                # It ends here for the decoder too.
                return
            left = inflater.unconsumed_tail
            if inflated > limit:
                raise InvalidImage(
                    f"image is a PNG file whose pixels inflate to more than {limit} bytes; "
                    f"expected {needed}"
                )
