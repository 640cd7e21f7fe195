"""Files that are no picture, or of a format that is not taken."""

import io
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
from PIL import Image as Pillow

GREY = Pillow.fromarray(np.full((16, 16, 3), 128, np.uint8))


def encoded(media_type: str) -> bytes:
    file = io.BytesIO()
    GREY.save(file, media_type)
    return file.getvalue()


def container(brand: bytes) -> bytes:
    """The start of a HEIC or AVIF file, or of a film."""
    return struct.pack(">I4s4sI", 20, b"ftyp", brand, 0) + b"mif1" + bytes(100)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("photo.jpg", b"\xff\xd8\xff\xe0")
    return file.getvalue()


def cases() -> Iterator[tuple[str, bytes, int]]:
    """Name, file, and the status it is answered with."""
    page = b"<!doctype html><html><img src='photo.jpg'></html>"
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    entities = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    yield "nothing", b"", 400
    yield "GIF", encoded("GIF"), 415
    yield "TIFF", encoded("TIFF"), 415
    yield "JPEG 2000", encoded("JPEG2000"), 415
    yield "JPEG 2000 code stream", b"\xff\x4f\xff\x51" + bytes(50), 415
    yield "icon", encoded("ICO"), 415
    yield "PPM, which OpenCV would read", encoded("PPM"), 415
    yield "TGA, which has no signature", encoded("TGA"), 415
    yield "HEIC", container(b"heic"), 415
    yield "AVIF", container(b"avif"), 415
    yield "film", container(b"isom"), 415
    yield "JPEG XL", b"\xff\x0a" + bytes(20), 415
    yield "Radiance, which OpenCV would read", b"#?RADIANCE\n\n-Y 9 +X 9\n" + bytes(9**3), 415
    yield "OpenEXR", b"\x76\x2f\x31\x01" + bytes(50), 415
    yield "Photoshop", b"8BPS\0\1" + bytes(30), 415
    yield "SVG", drawing, 415
    yield "XML", entities, 415
    yield "page", page, 415
    yield "PDF", b"%PDF-1.7\n%%EOF", 415
    yield "ZIP", archive(), 415
    yield "WAVE", b"RIFF\x24\0\0\0WAVEfmt " + bytes(20), 415
    yield "RIFF of 8 bytes", b"RIFF\0\0\0\0", 415
    yield "MNG", b"\x8aMNG\r\n\x1a\n" + bytes(30), 415
    yield "PNG that went through a text editor", b"\x89PNG\n\x1a\n" + bytes(30), 415
    yield "text", b"hello", 415
    yield "JSON", b'{"image": "..."}', 415
    yield "zero", b"\0", 415
    yield "zeros", bytes(10_000), 415
    yield "one byte of a JPEG", b"\xff", 415
    yield "base64 of a JPEG", b"/9j/4AAQSkZJRgABAQAAAQABAAD", 415
    yield "a picture's address", b"data:image/png;base64,iVBORw0KGgo=", 415
    yield "a picture in front of which is a byte", b"\n\x89PNG\r\n\x1a\n" + bytes(30), 415
