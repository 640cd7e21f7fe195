import dataclasses

import numpy as np
import pytest

from service.inference.types import Box, Image, Reduction, Size


def test_size_of_an_image_is_height_then_width():
    image = Image(np.zeros((4, 7, 3), np.uint8))

    assert image.size == Size(height=4, width=7)


def test_image_of_all_pixels_is_its_own_view():
    image = Image(np.zeros((4, 7, 3), np.uint8))

    np.testing.assert_array_equal(image.to_picture, [[1, 0, 0], [0, 1, 0]])
    assert image.scale == 1


def test_reduced_image_has_the_size_of_the_whole_one():
    to_picture = np.array([[4.0, 0, -1], [0, 4, 0]])
    image = Image(np.zeros((4, 7, 3), np.uint8), Reduction(Size(16, 27), to_picture))

    assert image.size == Size(height=16, width=27)
    assert image.to_picture is to_picture
    assert image.scale == 0.25


def test_box_from_coco_has_exclusive_far_corner():
    box = Box.from_xywh(10, 20, 30, 40)

    assert (box.x0, box.y0, box.x1, box.y1) == (10, 20, 40, 60)
    assert (box.width, box.height) == (30, 40)


def test_values_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Box(0, 0, 1, 1).x0 = 5
