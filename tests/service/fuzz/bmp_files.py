"""BMP files that are broken or odd, made field by field."""

import struct
from collections.abc import Iterator

SIDE = 16
PLAIN, RLE8, RLE4, BITFIELDS = 0, 1, 2, 3
GREYS = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
END_OF_LINE, END_OF_PICTURE = b"\0\0", b"\0\1"


def bmp(
    content: bytes,
    *,
    width: int = SIDE,
    height: int = SIDE,
    bits: int = 24,
    compression: int = PLAIN,
    palette: bytes = b"",
    offset: int | None = None,
    header_size: int = 40,
    colours: int | None = None,
    planes: int = 1,
) -> bytes:
    count = len(palette) // 4 if colours is None else colours
    info = struct.pack(
        "<IiiHHIIiiII",
        *(header_size, width, height, planes, bits, compression),
        *(len(content), 2835, 2835, count, 0),
    )
    start = 14 + len(info) + len(palette)
    place = start if offset is None else offset
    file = struct.pack("<2sIHHI", b"BM", start + len(content), 0, 0, place)
    return file + info + palette + content


def old_bmp(width: int = SIDE, height: int = SIDE) -> bytes:
    """With the header of OS/2: sides of 16 bits."""
    content = bytes(SIDE * SIDE * 3)
    info = struct.pack("<IHHHH", 12, width, height, 1, 24)
    return struct.pack("<2sIHHI", b"BM", 26 + len(content), 0, 0, 26) + info + content


def grey(content: bytes, **fields: int) -> bytes:
    return bmp(content, **{"bits": 8, "palette": GREYS, "compression": RLE8, **fields})


def cases() -> Iterator[tuple[str, bytes, int]]:
    """Name, file, and the status it is answered with."""
    content = b"\x55" * SIDE * SIDE * 3
    line = bytes((SIDE, 0x55))
    rle = (line + END_OF_LINE) * SIDE + END_OF_PICTURE
    yield "top row first", bmp(content, height=-SIDE), 200
    yield "no rows", bmp(content, height=0), 422
    yield "width below 0", bmp(content, width=-SIDE), 422
    yield "lowest height", bmp(content, height=-(2**31)), 413
    yield "largest sides", bmp(content, width=2**31 - 1, height=2**31 - 1), 413
    yield "one row of 2^31 pixels", bmp(content, width=2**31 - 1, height=1), 413
    yield "more rows than pixels", bmp(content, height=1000), 422
    yield "pixels beyond the end", bmp(content, offset=2**31 - 1), 422
    yield "pixels before the start", bmp(content, offset=-1 & 0xFFFFFFFF), 422
    yield "pixels in the header", bmp(content, offset=0), 200
    yield "0 bits", bmp(content, bits=0), 422
    yield "3 bits", bmp(content, bits=3), 422
    yield "64 bits", bmp(content, bits=64), 422
    yield "unknown compression", bmp(content, compression=99), 422
    yield "a JPEG inside", bmp(content, compression=4), 422
    yield "run lengths for 24 bits", bmp(content, compression=RLE8), 422
    yield "planes 9", bmp(content, planes=9), 200
    yield "header of 4 GB", bmp(content, header_size=2**32 - 1), 422
    yield "header of 5 bytes", bmp(content, header_size=5), 422
    yield "palette of 2^31 colours", grey(bytes(SIDE**2), compression=PLAIN, colours=2**31), 422
    yield "palette missing", bmp(bytes(SIDE**2), bits=8), 422
    yield "1 bit", bmp(bytes(4 * SIDE), bits=1, palette=GREYS[:8]), 200
    yield "4 bits", bmp(bytes(8 * SIDE), bits=4, palette=GREYS[:64]), 200
    yield "8 bits", grey(bytes(SIDE**2), compression=PLAIN), 200
    yield "16 bits", bmp(bytes(2 * SIDE**2), bits=16), 200
    yield "32 bits", bmp(bytes(4 * SIDE**2), bits=32), 200
    yield "old header", old_bmp(), 200
    yield "old header of 65535 x 65535 pixels", old_bmp(65535, 65535), 413
    yield "run lengths", grey(rle), 200
    yield "run length beyond the row", grey(b"\xff\x55" * SIDE + END_OF_PICTURE), 422
    yield "run lengths beyond the picture", grey(line * 9999 + END_OF_PICTURE), 200
    yield "run lengths that jump outside", grey(b"\0\2\xff\xff" * 99 + END_OF_PICTURE), 200
    yield "run lengths that end at once", grey(END_OF_PICTURE), 200
    yield "run lengths without an end", grey(line * 3), 422
    yield "literal run that is cut off", grey(b"\0\xff\x55"), 422
    yield "run lengths of 4 bits", _rle4(b"\x10\x55\0\0" * SIDE + END_OF_PICTURE), 200
    yield "run lengths of 4 bits that jump", _rle4(b"\0\2\xff\xff" * 9 + END_OF_PICTURE), 200
    yield "garbage behind it", bmp(content) + bytes(range(256)) * 100, 200
    yield "only a signature", b"BM", 422
    yield "a page", b"BM<html><script>alert(1)</script></html>" + bytes(20), 413


def _rle4(content: bytes) -> bytes:
    return bmp(content, bits=4, compression=RLE4, palette=GREYS[:64])
