"""The segments of a JPEG file, and how often its pixels are gone over. Nothing is decoded.

Source: ITU-T T.81, annex B.
"""

import re
import struct
from collections.abc import Iterator

from service.inference.errors import InvalidImage

START_OF_SCAN, END = 0xDA, 0xD9
# What is no marker, and the markers without a segment: TEM, the restart markers, SOI.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_MAX_SEGMENTS = 10_000
# Progressive files have about ten; one more costs 50 bytes, and 3 ms with 50 megapixels.
_MAX_SCANS = 100


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker of a JPEG file and the place of the two bytes with its segment's length.

    As libjpeg does, whatever stands before a marker is passed over.

    Raises:
        InvalidImage: there are more segments than a camera or an editor writes.
        struct.error: the file ends within a segment.
    """
    position = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            return
        marker, position = found[1][0], found.end()
        yield marker, position
        if marker == END:
            return
        position += struct.unpack_from(">H", data, position)[0]
    raise InvalidImage(
        f"image is a JPEG file of more than {_MAX_SEGMENTS} segments; expected fewer"
    )


def check_scans(data: bytes) -> None:
    """Refuses a JPEG file of a hundred scans: a small one could take minutes to decode.

    Raises:
        InvalidImage: as it says.

    Source: "Two Issues with the JPEG Standard" (libjpeg-turbo), 2011.
    """
    # Quicker than to look for segments, and never fewer than there are.
    if data.count(bytes((0xFF, START_OF_SCAN))) <= _MAX_SCANS:
        return
    try:
        scans = sum(marker == START_OF_SCAN for marker, _ in segments(data))
    except struct.error:
        # It is the decoder's to say what is wrong with a file that is cut off.
        return
    if scans > _MAX_SCANS:
        raise InvalidImage(f"image is a JPEG file of {scans} scans; expected at most {_MAX_SCANS}")
