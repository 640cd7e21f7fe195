import numpy as np
import pytest
from PIL import Image as Pillow

from service.inference.exif import read_orientation, turn_upright


def exif_block(orientation):
    exif = Pillow.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read(orientation):
    assert read_orientation(exif_block(orientation)) == orientation


def test_orientation_is_read_in_little_endian_without_a_prefix():
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)

    assert read_orientation(tiff) == 6


@pytest.mark.parametrize(
    "block",
    [b"", b"Exif\0\0", b"nonsense", exif_block(9), exif_block(3)[:20], b"MM\0*\xff\xff\xff\xff"],
    ids=["empty", "prefix", "nonsense", "out of range", "cut off", "directory outside"],
)
def test_damaged_block_means_upright(block):
    assert read_orientation(block) == 1


def test_turning_follows_the_standard():
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)

    turned = {value: turn_upright(stored, value)[..., 0].tolist() for value in range(1, 9)}

    assert turned == {
        1: [[0, 1, 2], [3, 4, 5]],
        2: [[2, 1, 0], [5, 4, 3]],
        3: [[5, 4, 3], [2, 1, 0]],
        4: [[3, 4, 5], [0, 1, 2]],
        5: [[0, 3], [1, 4], [2, 5]],
        6: [[3, 0], [4, 1], [5, 2]],
        7: [[5, 2], [4, 1], [3, 0]],
        8: [[2, 5], [1, 4], [0, 3]],
    }
