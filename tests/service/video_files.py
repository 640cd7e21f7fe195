"""Small videos, and bytes that only look like one."""

import struct
from pathlib import Path

import cv2
import numpy as np

FPS = 10


def frames(count: int, size=(64, 48)) -> list[np.ndarray]:
    """Grey pictures, each brighter than the one before; size is width, height."""
    return [np.full((size[1], size[0], 3), 10 + 200 * at // count, np.uint8) for at in range(count)]


def write(path: Path, pictures: list[np.ndarray], fps: float = FPS) -> Path:
    """Pictures (BGR) as an AVI of JPEGs, or as MPEG-4 where the name ends in .mp4."""
    codec = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def avi(folder: Path, count: int = 10) -> bytes:
    return write(folder / "made.avi", frames(count)).read_bytes()


def mp4(folder: Path, count: int = 10) -> bytes:
    return write(folder / "made.mp4", frames(count)).read_bytes()


def with_rate(data: bytes, rate: int, scale: int) -> bytes:
    """An AVI whose video stream states rate / scale frames per second."""
    start = data.find(b"strh") + 8 + 20
    return data[:start] + struct.pack("<II", scale, rate) + data[start + 8 :]


def with_count(data: bytes, count: int) -> bytes:
    """An AVI that states so many frames."""
    header, stream = data.find(b"avih") + 8 + 16, data.find(b"strh") + 8 + 32
    changed = bytearray(data)
    for place in (header, stream):
        changed[place : place + 4] = struct.pack("<I", count)
    return bytes(changed)


def turned(data: bytes) -> bytes:
    """An MP4 that is to be shown turned clockwise by 90°, as phones write them."""
    # After the flags of `tkhd`: times, id, duration, and four 16-bit values.
    start = data.find(b"tkhd") + 4 + 40
    one = 0x10000
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, 48 << 16, 0, 0x40000000)
    return data[:start] + matrix + data[start + 36 :]


def sound_only() -> bytes:
    """An AVI with a second of silence and no picture."""
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H", b"auds", bytes(4), *(0,) * 4, 1, 8000, 0, 800, 800, 0, 1, *(0,) * 4
    )
    wave = struct.pack("<HHIIHHH", 1, 1, 8000, 8000, 1, 8, 0)
    head = struct.pack("<14I", 100_000, 8000, 0, 16, 10, 0, 1, 800, *(0,) * 6)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", wave))
    body = b"AVI " + _list(b"hdrl", _chunk(b"avih", head) + streams)
    body += _list(b"movi", _chunk(b"00wb", bytes(800)))
    return _chunk(b"RIFF", body)


def playlist(target: Path) -> bytes:
    """An HLS playlist that would make FFmpeg read another file of the machine."""
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:9", "#EXTINF:9,", target.as_uri(), "#EXT-X-ENDLIST")
    return "\n".join(lines).encode()


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
