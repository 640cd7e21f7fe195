"""WebP files that are broken or odd, made chunk by chunk."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import skimage.data
from PIL import Image as Pillow

PHOTO = Pillow.fromarray(np.ascontiguousarray(skimage.data.astronaut()[::4, ::4]))
SIDE = 128
ALPHA, ANIMATION = 0x10, 0x02


def photo(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    PHOTO.convert(mode).save(file, "WEBP", **options)
    return file.getvalue()


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def chunk(name: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return name + struct.pack("<I", length) + content + bytes(len(content) % 2)


def canvas(width: int = SIDE, height: int = SIDE, flags: int = 0) -> bytes:
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides)


def image(**options: object) -> bytes:
    """The chunk with the pixels of a photo."""
    return photo(**options)[12:]


def changed(data: bytes, at: int, *values: int) -> bytes:
    return data[:at] + bytes(values) + data[at + len(values) :]


def animation(frames: int) -> bytes:
    file = io.BytesIO()
    pictures = [PHOTO.rotate(90 * index) for index in range(frames)]
    pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:])
    return file.getvalue()


def cases() -> Iterator[tuple[str, bytes, int]]:
    """Name, file, and the status it is answered with."""
    lossy, lossless, moving = photo(), photo(lossless=True), animation(3)
    yield "16384 x 16384 pixels of canvas", riff(canvas(2**14, 2**14), image()), 413
    yield "2^24 x 2^24 pixels of canvas", riff(canvas(2**24, 2**24), image()), 413
    yield "canvas smaller than the picture", riff(canvas(1, 1), image()), 422
    yield "canvas larger than the picture", riff(canvas(SIDE * 2, SIDE * 2), image()), 422
    yield "16383 x 16383 lossy pixels", changed(lossy, 26, 0xFF, 0x3F, 0xFF, 0x3F), 413
    yield "no lossy pixels", changed(lossy, 26, 0, 0, 0, 0), 422
    yield "another size than the pixels have", changed(lossy, 26, 0xFF, 0x01), 422
    yield "16384 x 16384 lossless pixels", changed(lossless, 21, 0xFF, 0xFF, 0xFF, 0x0F), 413
    yield "lossless of another signature", changed(lossless, 20, 0x2E), 422
    yield "lossless of another version", changed(lossless, 24, 0xE0), 422
    yield "lossy of another start code", changed(lossy, 23, 0), 422
    yield "lossy and not a key frame", changed(lossy, 20, lossy[20] | 1), 422
    yield "first partition too long", changed(lossy, 21, 0xFF, 0xFF), 422
    yield "zeros in the lossy pixels", lossy[:-400] + bytes(200) + lossy[-200:], 200
    yield "zeros in the lossless pixels", lossless[:1000] + bytes(500) + lossless[1500:], 422
    yield "no pixels", riff(canvas()), 422
    yield "unknown first chunk", riff(chunk(b"VP9 ", bytes(20)), image()), 422
    yield "no chunks", riff(), 422
    yield "size told too small", riff(image(), size=20), 422
    yield "size told too large", riff(image(), size=2**31), 422
    yield "size told as 0", riff(image(), size=0), 422
    yield "chunk of 4 GB", riff(chunk(b"VP8 ", lossy[20:], size=2**32 - 1)), 422
    yield "chunk too short", riff(chunk(b"VP8 ", lossy[20:60])), 422
    yield "alpha told and missing", riff(canvas(flags=ALPHA), image()), 200
    yield "alpha of nonsense", riff(canvas(flags=ALPHA), chunk(b"ALPH", b"\x03ab"), image()), 422
    yield "alpha without pixels", riff(canvas(flags=ALPHA), chunk(b"ALPH", b"\x00" * 99)), 422
    yield "transparent", photo("RGBA"), 200
    yield "transparent and lossless", photo("RGBA", lossless=True), 200
    yield "animation", moving, 200
    yield "animation without frames", riff(canvas(flags=ANIMATION), chunk(b"ANIM", bytes(6))), 422
    yield "animation cut off", moving[: len(moving) // 2], 422
    yield "animation of a frame outside", _frame_outside(moving), 422
    yield "100,000 unknown chunks", riff(canvas(), image(), chunk(b"JUNK", b"ab") * 100_000), 200
    yield "profile of nonsense", riff(canvas(flags=0x20), chunk(b"ICCP", b"x"), image()), 200
    yield "EXIF of nonsense", riff(canvas(flags=0x08), image(), chunk(b"EXIF", b"x")), 200
    yield "garbage behind it", lossy + bytes(range(256)) * 100, 200


def _frame_outside(moving: bytes) -> bytes:
    """The first frame's place, in units of two pixels, is beyond the canvas."""
    return changed(moving, moving.index(b"ANMF") + 8, 0xFF, 0xFF, 0xFF)
