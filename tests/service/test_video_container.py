import pytest

from service.inference.errors import UnsupportedVideo
from service.inference.video.container import check_container, container_of

PACKET = b"\x47" + bytes(187)


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\x00\x00\x00\x20ftypisom", "mov"),
        (b"\x00\x00\x00\x14ftypqt  ", "mov"),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "mov"),
        (b"\x1a\x45\xdf\xa3\x01\x00\x00\x00", "matroska"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "avi"),
        (PACKET * 3, "mpegts"),
        ((bytes(4) + PACKET) * 3, "mpegts"),
    ],
)
def test_container_is_recognised_by_its_first_bytes(head, container):
    assert container_of(head) == container


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8\xff\xe0",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"\x00\x00\x00\x18ftypheic",
        b"\x00\x00\x00\x18ftypavif",
        b"#EXTM3U\n",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1",
        b"<MPD xmlns=",
        PACKET,
        b"G",
    ],
)
def test_everything_else_is_none(head):
    assert container_of(head) is None
    with pytest.raises(UnsupportedVideo, match="expected an MP4"):
        check_container(head)
