"""Compressed request bodies, as Triton's clients send them when told to."""

import zlib

from service.inference.errors import ImageTooLarge, UnsupportedImage
from service.oip.errors import InvalidRequest

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """A body as it was before it was compressed; stops at the limit.

    Args:
        body: as it came.
        encoding: `Content-Encoding`.
        max_bytes: of what comes out.

    Raises:
        UnsupportedImage: the encoding is not known.
        ImageTooLarge: more comes out.
        InvalidRequest: the body is not of this encoding, or not whole.
    """
    if encoding == "identity":
        return body
    if encoding not in _WINDOW_BITS:
        raise UnsupportedImage(
            f"Content-Encoding is {encoding!r}; expected none, {' or '.join(_WINDOW_BITS)}"
        )
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        # One byte more than allowed is enough to be refused.
        plain = stream.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the body is not {encoding}, as its Content-Encoding says") from error
    if len(plain) > max_bytes:
        raise ImageTooLarge(
            f"the body has more than {max_bytes} bytes without its {encoding}; "
            "expected at most that"
        )
    if not stream.eof or stream.unused_data:
        raise InvalidRequest(f"the body is not one whole {encoding} stream")
    return plain
