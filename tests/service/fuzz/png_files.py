"""PNG files that are broken, odd or expensive, made chunk by chunk."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import skimage.data
from PIL import Image as Pillow

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SIDE = 16
END = b"\0\0\0\0IEND\xaeB`\x82"
PHOTO = Pillow.fromarray(np.ascontiguousarray(skimage.data.astronaut()[::4, ::4]))


def chunk(name: bytes, content: bytes = b"", check: int | None = None) -> bytes:
    crc = zlib.crc32(name + content) if check is None else check
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def header(
    width: int = SIDE, height: int = SIDE, depth: int = 8, colour: int = RGB, interlace: int = 0
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def rows(bits_per_pixel: int = 24, *, row_filter: int = 0, height: int = SIDE) -> bytes:
    return (bytes([row_filter]) + b"\x55" * (SIDE * bits_per_pixel // 8)) * height


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks)


def pixels(content: bytes | None = None) -> bytes:
    return chunk(b"IDAT", zlib.compress(rows() if content is None else content, 9))


def with_chunks(*more: bytes) -> bytes:
    """A picture with chunks before its pixels."""
    return png(header(), *more, pixels(), END)


def bomb(inflated: int) -> bytes:
    """Zeros, compressed a thousandfold."""
    packer, zeros = zlib.compressobj(9), bytes(2**20)
    body = b"".join(packer.compress(zeros) for _ in range(inflated // 2**20))
    return body + packer.flush()


def interlaced() -> bytes:
    """Adam7: seven small pictures behind one another."""
    steps = ((8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1))
    first = ((0, 0), (0, 4), (4, 0), (0, 2), (2, 0), (0, 1), (1, 0))
    passes = b""
    for (down, right), (top, left) in zip(steps, first, strict=True):
        width, height = -(-(SIDE - left) // right), -(-(SIDE - top) // down)
        passes += (b"\0" + b"\x55" * 3 * width) * height
    return png(header(interlace=1), pixels(passes), END)


def animation(frames: int, *, side: int = SIDE, more: int = 0) -> bytes:
    """An animation; `more` frames are promised beyond those that are there."""
    parts = [header(), chunk(b"acTL", struct.pack(">II", frames + more, 0))]
    for index in range(frames):
        control = struct.pack(">IIIIIHHBB", 2 * index, side, side, 0, 0, 1, 10, 0, 0)
        parts.append(chunk(b"fcTL", control))
        later = chunk(b"fdAT", struct.pack(">I", 2 * index + 1) + zlib.compress(rows()))
        parts.append(pixels() if index == 0 else later)
    return png(*parts, END)


def photo(mode: str, **options: object) -> bytes:
    file = io.BytesIO()
    PHOTO.convert(mode).save(file, "PNG", **options)
    return file.getvalue()


def cases() -> Iterator[tuple[str, bytes, int]]:
    """Name, file, and the status it is answered with."""
    packed = zlib.compress(rows())
    yield from _headers()
    yield from _expensive()
    yield "no pixels", png(header(), END), 422
    yield "no end", png(header(), pixels()), 422
    yield "only a signature", SIGNATURE, 422
    yield "wrong checksum of the header", SIGNATURE + header()[:-4] + bytes(4) + pixels() + END, 422
    yield "wrong checksum of the pixels", png(header(), chunk(b"IDAT", packed, 1), END), 422
    yield "wrong checksum of a text", with_chunks(chunk(b"tEXt", b"a\0b", 1)), 200
    yield "pixels that are not compressed", png(header(), chunk(b"IDAT", rows()), END), 422
    yield "pixels with a dictionary", png(header(), chunk(b"IDAT", b"\x78\x20" + packed), END), 422
    yield "wrong checksum of the stream", png(header(), chunk(b"IDAT", packed[:-4]), END), 422
    yield "rows missing", png(header(), pixels(rows(height=9)), END), 422
    yield "rows too many", png(header(), pixels(rows(height=99)), END), 200
    yield "unknown row filter", png(header(), pixels(rows(row_filter=9)), END), 422
    yield "pixels byte by byte", png(header(), *_byte_by_byte(packed), END), 200
    yield "empty parts of pixels", with_chunks(chunk(b"IDAT") * 50), 200
    yield "pixels interrupted", png(header(), *_interrupted(packed), END), 200
    yield "second header", with_chunks(header(SIDE * 2, SIDE * 2)), 200
    yield "unknown critical chunk", with_chunks(chunk(b"ABCD", b"x")), 200
    yield "name of no letters", with_chunks(chunk(b"\0\0\0\0", b"x")), 200
    yield "chunk of 4 GB", png(header(), b"\xff\xff\xff\xfftEXt", pixels(), END), 422
    yield "chunk beyond the end", png(header(), b"\x00\xff\xff\xfftEXt", pixels(), END), 422
    yield "palette missing", png(header(colour=PALETTE), pixels(rows(8)), END), 422
    yield "palette of 300 colours", _palette(900), 422
    yield "palette of half a colour", _palette(4), 422
    yield "palette too small", _palette(6), 200
    yield (
        "palette behind the pixels",
        png(header(colour=PALETTE), pixels(rows(8)), _plte(6), END),
        422,
    )
    yield "two palettes", with_chunks(_plte(6), _plte(9)), 200
    yield "transparency too long", with_chunks(chunk(b"tRNS", bytes(999))), 200
    yield "garbage behind it", with_chunks() + bytes(range(256)) * 100, 200
    yield "a page behind it", with_chunks() + b"<html><script>alert(1)</script>", 200
    yield "EXIF that is none", with_chunks(chunk(b"eXIf", b"nonsense")), 200
    yield "EXIF orientation 9", with_chunks(chunk(b"eXIf", _orientation(9))), 200
    yield "animation", animation(3), 200
    yield "animation of frames that are missing", animation(2, more=2**31), 200
    yield "animation of frames too large", animation(2, side=30_000), 200
    yield "animation without a frame", with_chunks(chunk(b"acTL", bytes(8))), 200
    yield "interlaced", interlaced(), 200
    yield "1 bit", photo("1"), 200
    yield "palette", photo("P"), 200
    yield "grey with alpha", photo("LA"), 200
    yield "16-bit grey", photo("I;16"), 200


def _headers() -> Iterator[tuple[str, bytes, int]]:
    for name, settings, status in (
        ("no columns", {"width": 0}, 422),
        ("no rows", {"height": 0}, 422),
        ("30000 x 30000 pixels", {"width": 30_000, "height": 30_000}, 413),
        ("2^32 x 2^32 pixels", {"width": 2**32 - 1, "height": 2**32 - 1}, 413),
        ("one row of 2^31 pixels", {"width": 2**31, "height": 1}, 413),
        ("3 bits", {"depth": 3}, 422),
        ("0 bits", {"depth": 0}, 422),
        ("255 bits", {"depth": 255}, 422),
        ("2 bits in colour", {"depth": 2}, 422),
        ("colour type 5", {"colour": 5}, 422),
        ("interlace method 2", {"interlace": 2}, 422),
        ("more rows than pixels", {"height": 9999}, 422),
    ):
        yield name, png(header(**settings), pixels(), END), status
    longer = chunk(b"IHDR", header()[8:-4] + b"\0")
    yield "header too long", png(longer, pixels(), END), 422
    yield "header of another name", png(chunk(b"CgBI", bytes(4)), header(), pixels(), END), 422
    yield "header cut off", png(header()[:15]), 422


def _expensive() -> Iterator[tuple[str, bytes, int]]:
    text = zlib.compress(bytes(7 * 2**20), 9)
    yield "texts of 3 GB", with_chunks(chunk(b"zTXt", b"a\0\0" + text) * 400), 200
    yield "international texts", with_chunks(chunk(b"iTXt", b"a\0\1\0\0\0" + text) * 400), 200
    yield "colour profile of 16 MB", with_chunks(chunk(b"iCCP", b"a\0\0" + bomb(2**24))), 200
    yield "pixels of 128 MB", png(header(), chunk(b"IDAT", bomb(2**27)), END), 422
    yield "30,000 texts", with_chunks(chunk(b"tEXt", b"a\0b") * 30_000), 422
    yield "30,000 parts", with_chunks(chunk(b"IDAT") * 30_000), 422


def _byte_by_byte(packed: bytes) -> list[bytes]:
    return [chunk(b"IDAT", packed[place : place + 1]) for place in range(len(packed))]


def _interrupted(packed: bytes) -> list[bytes]:
    return [chunk(b"IDAT", packed[:20]), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", packed[20:])]


def _plte(size: int) -> bytes:
    return chunk(b"PLTE", bytes(size))


def _palette(size: int) -> bytes:
    return png(header(colour=PALETTE), _plte(size), pixels(rows(8)), END)


def _orientation(value: int) -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, value, 0)
    return b"MM\0*\0\0\0\x08\0\1" + entry + bytes(4)
