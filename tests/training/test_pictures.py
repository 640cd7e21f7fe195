from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from service.inference.types import Size
from training.data.pictures import BrokenPicture, read_picture, read_reduced


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), skimage.data.astronaut()[:300, :400, ::-1])
    return path


def test_the_scale_is_asked_with_the_size_of_the_file(photo: Path) -> None:
    asked: list[Size] = []

    def scale(stored: Size) -> float:
        asked.append(stored)
        return 0.25

    reduced = read_reduced(photo, scale)
    assert asked == [Size(height=300, width=400)]
    assert reduced.size == Size(height=300, width=400)
    assert reduced.pixels.shape == (75, 100, 3)


def test_nothing_is_lost_where_all_pixels_are_wanted(photo: Path) -> None:
    whole = read_picture(photo)
    np.testing.assert_array_equal(read_reduced(photo, lambda _: 1.0).pixels, whole.pixels)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\xff\xd8\xff"])
def test_a_file_that_is_no_picture_is_named(photo: Path, content: bytes | None) -> None:
    if content is None:
        photo.unlink()
    else:
        photo.write_bytes(content)
    for read in (read_picture, lambda path: read_reduced(path, lambda _: 0.5)):
        with pytest.raises(BrokenPicture, match=r"photo\.jpg") as caught:
            read(photo)
        assert caught.value.path == photo
