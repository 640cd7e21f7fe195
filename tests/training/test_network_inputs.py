import dataclasses

import numpy as np
import pytest

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from service.inference.geometry import crop_affine, letterbox_affine, warp
from service.inference.types import Size
from tests.training.fixed_bundles import make_card
from training.data.coco import CocoFile, people, read_coco
from training.data.pictures import read_picture
from training.network_inputs import draw_inputs, draw_records, network_input

KEYPOINTS = make_card("keypoints", Size(64, 48))
DETECTOR = make_card("detection", Size(64, 48))


@pytest.fixture
def coco(stick_people) -> CocoFile:
    return read_coco(stick_people(pictures=5))


def test_people_are_drawn_from_all_over_the_sets_and_always_the_same(coco: CocoFile) -> None:
    records = people(coco)

    drawn = draw_records("keypoints", [coco, coco], 4)

    assert len(drawn) == 4
    assert [record.box for record in drawn] == [
        record.box for record in draw_records("keypoints", [coco, coco], 4)
    ]
    assert len(draw_records("keypoints", [coco, coco], 1000)) == 2 * len(records)


def test_set_without_anybody_is_refused_by_its_name(coco: CocoFile) -> None:
    empty = dataclasses.replace(coco, document={**coco.document, "annotations": []})

    with pytest.raises(InvalidData, match=str(coco.path)):
        draw_records("keypoints", [empty], 4)


def test_picture_is_shown_where_it_is_largest_unless_a_size_is_asked_for(coco: CocoFile) -> None:
    (record,) = draw_records("detection", [coco], 1)
    image = read_picture(record.picture)
    size = Size(image.size.height * 2, image.size.width * 2)
    card = make_card("detection", Size(64, 64)).model_copy(
        update={"other_inputs": (InputSize(height=size.height, width=size.width),)}
    )

    expected = warp(image.pixels, letterbox_affine(image.size, size), size)
    np.testing.assert_array_equal(network_input(card, record), expected)
    assert network_input(card, record, Size(64, 64)).shape == (64, 64, 3)
    assert draw_inputs(card, [coco], 2).shape == (2, 64, 64, 3)
    assert draw_inputs(card, [coco], 2, size).shape == (2, size.height, size.width, 3)


def test_inputs_are_the_crop_and_the_letterbox_of_serving(coco: CocoFile) -> None:
    size = KEYPOINTS.input.size
    (person,) = draw_records("keypoints", [coco], 1)
    (picture,) = draw_records("detection", [coco], 1)

    pixels = read_picture(person.picture).pixels
    expected = warp(pixels, crop_affine(person.box, size, 1.25), size)
    np.testing.assert_array_equal(network_input(KEYPOINTS, person), expected)
    image = read_picture(picture.picture)
    expected = warp(image.pixels, letterbox_affine(image.size, size), size)
    np.testing.assert_array_equal(network_input(DETECTOR, picture), expected)
