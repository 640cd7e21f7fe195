"""The orientation that a camera wrote into a picture.

Sources: CIPA DC-008 (Exif 2.3), 4.5.4 and 4.6.4; the container is a TIFF 6.0 header.
"""

import struct

import numpy as np

from service.inference.types import Pixels

_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1


def read_orientation(exif: bytes) -> int:
    """The orientation in 1..8 of an EXIF block; 1, upright, where it has none or is damaged."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return _UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for index in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return value if 1 <= value <= 8 else _UPRIGHT
    except struct.error:
        return _UPRIGHT
    return _UPRIGHT


def turns(orientation: int) -> bool:
    """Whether undoing an orientation exchanges height and width."""
    return orientation >= 5


def flips(orientation: int) -> tuple[bool, bool]:
    """Whether undoing an orientation then mirrors left-right, and top-bottom."""
    return orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)


def turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undoes an orientation; uint8 `[H, W, 3]` → `[H, W, 3]`, or `[W, H, 3]` for 5..8."""
    if turns(orientation):
        pixels = pixels.swapaxes(0, 1)
    horizontally, vertically = flips(orientation)
    if vertically:
        pixels = pixels[::-1]
    if horizontally:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
