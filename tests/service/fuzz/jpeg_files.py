"""JPEG files that are broken, odd or expensive, made byte by byte."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import skimage.data
from PIL import Image as Pillow

EOI = b"\xff\xd9"
PHOTO = Pillow.fromarray(np.ascontiguousarray(skimage.data.astronaut()[::4, ::4]))


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    PHOTO.convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def segment(marker: int, content: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(*more: bytes) -> bytes:
    """The photo with segments behind its start."""
    return jpeg()[:2] + b"".join(more) + jpeg()[2:]


def frame_changed(at: int, *values: int, **options: object) -> bytes:
    """The photo with bytes of its frame header replaced, counted from its marker."""
    data = bytearray(jpeg(**options))
    start = next(place for place in range(len(data)) if data[place : place + 2] in FRAMES)
    data[start + at : start + at + len(values)] = bytes(values)
    return bytes(data)


FRAMES = (b"\xff\xc0", b"\xff\xc2")


def without(marker: int) -> bytes:
    """The photo without the segments of a marker."""
    data, kept, place = jpeg(), b"\xff\xd8", 2
    while data[place + 1] != 0xDA:
        end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
        kept += b"" if data[place + 1] == marker else data[place:end]
        place = end
    return kept + data[place:]


def scans(count: int, size: int = 64) -> bytes:
    """A black progressive picture in which each scan but the first says nothing new."""
    blocks = (size // 8) ** 2
    frame = struct.pack(">BHHB", 8, size, size, 1) + b"\x01\x11\x00"
    # The end of a band for 32767 blocks, more than there are here, in a code of one bit.
    empty = segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + _bits("0" + format(blocks, "014b"))
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\x00" + b"\x10" * 64),
            segment(0xC2, frame),
            segment(0xC4, b"\x00\x01" + bytes(15) + b"\x00"),
            segment(0xC4, b"\x10\x01" + bytes(15) + b"\xe0"),
            segment(0xDA, b"\x01\x01\x00\x00\x00\x00") + _bits("0" * blocks),
            empty * (count - 1),
            EOI,
        ]
    )


def exif(entries: bytes, count: int = 1, following: int = 0) -> bytes:
    """The photo with an EXIF block of one directory."""
    directory = struct.pack(">H", count) + entries + struct.pack(">I", following)
    return with_segments(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08" + directory))


def orientation(value: int) -> bytes:
    return exif(struct.pack(">HHIHH", 0x0112, 3, 1, value, 0))


def first_scans(kept: int) -> bytes:
    """A progressive photo that ends after its first scans."""
    data = jpeg(progressive=True)
    return EOI.join([b"\xff\xda".join(data.split(b"\xff\xda")[: kept + 1]), b""])


def _bits(text: str) -> bytes:
    padded = text + "1" * (-len(text) % 8)
    data = int(padded, 2).to_bytes(len(padded) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")


def cases() -> Iterator[tuple[str, bytes, int]]:
    """Name, file, and the status it is answered with."""
    yield from _wrong_segments()
    yield from _odd_pictures()


def _wrong_segments() -> Iterator[tuple[str, bytes, int]]:
    photo = jpeg()
    yield "65535 x 65535 pixels", frame_changed(5, 255, 255, 255, 255), 413
    yield "no rows", frame_changed(5, 0, 0), 422
    yield "no columns", frame_changed(7, 0, 0), 422
    yield "rows told later", frame_changed(5, 0, 0)[:-2] + segment(0xDC, b"\0\x80") + EOI, 422
    yield "second frame is huge", photo[:-2] + segment(0xC0, b"\x08" + b"\xff" * 12) + EOI, 200
    yield "two frames", frame_changed(5, 1, 0)[:-2] + photo[2:], 200
    yield "12 bits per sample", frame_changed(4, 12), 422
    yield "lossless frame, other data", frame_changed(1, 0xC3), 422
    yield "arithmetic frame, other data", frame_changed(1, 0xC9), 200
    yield "hierarchical frame", frame_changed(1, 0xC5), 422
    yield "baseline told to be progressive", frame_changed(1, 0xC2), 422
    yield "sampling factor 0", frame_changed(11, 0x00), 422
    yield "sampling factor 15", frame_changed(11, 0xFF), 422
    yield "no components", frame_changed(9, 0), 422
    yield "255 components", frame_changed(9, 255), 422
    yield "quantisation table 9", frame_changed(12, 9), 422
    yield "no quantisation tables", without(0xDB), 422
    yield "no Huffman tables", without(0xC4), 200
    yield "Huffman table too full", with_segments(segment(0xC4, b"\0" + b"\xff" * 16)), 422
    yield "empty quantisation table", with_segments(segment(0xDB)), 200
    yield "segment of length 0", with_segments(b"\xff\xfe\x00\x00"), 200
    yield "segment beyond the end", with_segments(b"\xff\xe5\xff\xff"), 422
    yield "unknown marker", with_segments(segment(0x02)), 422
    yield "scan before the frame", photo[:2] + segment(0xDA, bytes(6)) + photo[2:], 422
    yield "only a comment", b"\xff\xd8" + segment(0xFE, b"hello") + EOI, 422
    yield "only start and end", b"\xff\xd8" + EOI, 422


def _odd_pictures() -> Iterator[tuple[str, bytes, int]]:
    photo, cmyk = jpeg(), jpeg("CMYK")
    zlib_like = bytes(range(256)) * 255
    yield "only the first of ten scans", first_scans(1), 200
    yield "five of ten scans", first_scans(5), 200
    yield "progressive", jpeg(progressive=True), 200
    yield "CMYK", cmyk, 200
    yield "YCCK", cmyk.replace(b"Adobe\x00\x64\0\0\0\0\0", b"Adobe\x00\x64\0\0\0\0\2"), 200
    yield "grey", jpeg("L"), 200
    yield "1 bit", jpeg("1"), 200
    yield "restart marker after each block", jpeg(restart_marker_blocks=1), 200
    yield "restart markers exchanged", _exchanged(jpeg(restart_marker_blocks=1)), 200
    yield "garbage behind it", photo + bytes(range(256)) * 100, 200
    yield "a second picture behind it", photo + photo, 200
    yield "zeros between segments", with_segments(segment(0xFE), bytes(100)), 200
    yield "zeros in the pixels", photo[:-1000] + bytes(500) + photo[-500:], 200
    yield "EXIF orientation 0", orientation(0), 200
    yield "EXIF orientation 9", orientation(9), 200
    yield "EXIF orientation 65535", orientation(65535), 200
    yield "EXIF directory of 65535 entries", exif(bytes(12), count=65535), 200
    yield "EXIF directory that leads to itself", exif(bytes(12), following=8), 200
    yield "EXIF directory outside", exif(bytes(12), following=0xFFFFFFFF), 200
    yield "EXIF that is only a name", with_segments(segment(0xE1, b"Exif\0\0")), 200
    yield "EXIF with a program", with_segments(segment(0xE1, b"Exif\0\0<?php exit();?>")), 200
    yield "profile of 2 MB", with_segments(*_profile(zlib_like)), 200
    yield "profile with parts missing", with_segments(*_profile(zlib_like)[::2]), 200
    yield "20,000 comments", with_segments(segment(0xFE) * 20_000), 422
    yield "a megabyte of padding", with_segments(b"\xff" * 2**20), 200
    yield "a megabyte of stuffing", with_segments(b"\xff\x00" * 2**19), 200
    yield "a megabyte of restart markers", with_segments(b"\xff\xd0" * 2**19), 200
    yield "100 scans", scans(100), 200
    yield "101 scans", scans(101), 422
    yield "100,000 scans", scans(100_000), 422
    yield "20,000 scans and no end", scans(20_000)[:-7], 422
    yield "a PDF in a comment", with_segments(segment(0xFE, b"%PDF-1.7\n%%EOF")), 200
    yield "a ZIP behind it", photo + b"PK\x05\x06" + bytes(18), 200


def _profile(content: bytes) -> list[bytes]:
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes((part, 32)) + content) for part in range(1, 33)]


def _exchanged(data: bytes) -> bytes:
    return data.replace(b"\xff\xd1", b"\xff\xd5")
