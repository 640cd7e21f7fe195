"""Compressed bodies: what is unpacked, and what is refused before it grows."""

import gzip
import tracemalloc
import zlib

import pytest

from service.inference.errors import ImageTooLarge, UnsupportedImage
from service.oip.compression import decompressed
from service.oip.errors import InvalidRequest

# Without the time, so that the names of the tests stay the same.
GZIPPED = gzip.compress(b"plain", mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"plain", "identity"),
        (GZIPPED, "gzip"),
        (zlib.compress(b"plain"), "deflate"),
    ],
)
def test_body_is_as_it_was(body, encoding):
    assert decompressed(body, encoding, 5) == b"plain"


def test_bomb_is_refused_before_it_grows():
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()

    with pytest.raises(ImageTooLarge, match="more than 1000 bytes"):
        decompressed(bomb, "gzip", 1000)

    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("body", [b"", b"plain", GZIPPED[:-3], GZIPPED + b"more"])
def test_what_is_not_compressed_as_it_says_is_refused(body):
    with pytest.raises(InvalidRequest, match="gzip"):
        decompressed(body, "gzip", 100)


def test_unknown_encoding_is_refused():
    with pytest.raises(UnsupportedImage, match="'br'; expected none, gzip or deflate"):
        decompressed(b"", "br", 100)
