"""What the first bytes of a video say: its container. Nothing is opened.

FFmpeg recognises hundreds of formats, and some of them name other files: an HLS playlist, an
`ffconcat` list or an SDP file would make it read the server's disk or ask the network. So what is
not one of the few containers that hold their own pictures never reaches it.

Sources: ISO/IEC 14496-12, section 4.3 (MP4; QuickTime files may begin with other atoms), RFC 8794
(EBML: Matroska, WebM), Microsoft's AVI RIFF file reference, ISO/IEC 13818-1, section 2.4.3.2
(MPEG-TS packets).
"""

from typing import Literal

from service.inference.errors import UnsupportedVideo

Container = Literal["mov", "matroska", "avi", "mpegts"]
"""As FFmpeg names their readers."""

HEAD_BYTES = 1024
"""Enough of a file to recognise it."""

_SHOWN_BYTES = 12
_ATOMS = frozenset((b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_PICTURE_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"))
_EBML = b"\x1a\x45\xdf\xa3"
_TS_SYNC = 0x47
# Plain packets, and those of Blu-ray and AVCHD with a time stamp of four bytes before each.
_TS_PACKETS = ((188, 0), (192, 4))


def container_of(head: bytes) -> Container | None:
    """The container that a file begins like; None for everything else, also for pictures.

    Args:
        head: the first `HEAD_BYTES` of the file, or all of it.
    """
    if head[4:8] in _ATOMS:
        return None if head[8:12] in _PICTURE_BRANDS else "mov"
    if head.startswith(_EBML):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if any(_has_packets(head, length, offset) for length, offset in _TS_PACKETS):
        return "mpegts"
    return None


def check_container(head: bytes) -> Container:
    """The container that a file begins like.

    Raises:
        UnsupportedVideo: none that is read here.
    """
    container = container_of(head)
    if container is None:
        raise UnsupportedVideo(
            f"video begins with {head[:_SHOWN_BYTES]!r}; "
            "expected an MP4, QuickTime, Matroska, WebM, AVI or MPEG-TS file"
        )
    return container


def _has_packets(head: bytes, length: int, offset: int) -> bool:
    """Whether three packets follow each other."""
    places = range(offset, 3 * length, length)
    return len(head) > places[-1] and all(head[place] == _TS_SYNC for place in places)
