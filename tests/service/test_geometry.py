import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inference.geometry import (
    affine_scale,
    best_fit,
    clip_box,
    crop_affine,
    crop_scale,
    invert_affine,
    letterbox_affine,
    transform_points,
    warp,
)
from service.inference.types import Box, Size

PORTRAIT = Size(height=256, width=192)
PICTURE = Size(height=600, width=800)


def picture_with_dot(x, y, sigma):
    """A soft white dot whose centre of mass is the point."""
    rows, columns = np.mgrid[: PICTURE.height, : PICTURE.width] + 0.5
    dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * dot)[..., None], 3, axis=2).round().astype(np.uint8)


def centre_of_mass(pixels):
    weights = pixels[..., 0].astype(float)
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


coordinates = st.floats(-500, 1500)
sides = st.floats(0, 2000)


@given(
    box=st.builds(Box.from_xywh, coordinates, coordinates, sides, sides),
    size=st.builds(Size, height=st.integers(16, 512), width=st.integers(16, 512)),
    padding=st.floats(1, 2),
    scale=st.floats(0.5, 2),
    rotation_deg=st.floats(-180, 180),
    shift=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    flip=st.booleans(),
    point=st.tuples(coordinates, coordinates),
)
def test_inverse_takes_crop_points_back_to_the_picture(
    box, size, padding, scale, rotation_deg, shift, flip, point
):
    affine = crop_affine(
        box, size, padding, scale=scale, rotation_deg=rotation_deg, shift=shift, flip=flip
    )
    there = transform_points(np.array([point]), affine)
    back = transform_points(there, invert_affine(affine))

    np.testing.assert_allclose(back, [point], atol=1e-6)


def test_box_of_the_crops_shape_lands_on_its_corners():
    box = Box.from_xywh(100, 50, 96, 128)

    corners = transform_points(
        np.array([[100.0, 50.0], [196.0, 178.0]]), crop_affine(box, PORTRAIT, 1.0)
    )

    np.testing.assert_allclose(corners, [[0, 0], [192, 256]], atol=1e-9)


def test_padding_puts_the_box_inside_the_crop_by_its_factor():
    box = Box.from_xywh(100, 50, 96, 128)

    corners = transform_points(
        np.array([[100.0, 50.0], [196.0, 178.0]]), crop_affine(box, PORTRAIT, 1.25)
    )

    np.testing.assert_allclose(corners, [[19.2, 25.6], [172.8, 230.4]], atol=1e-9)


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        (Box.from_xywh(0, 0, 192, 64), [[0, 96], [192, 160]]),
        (Box.from_xywh(0, 0, 48, 256), [[72, 0], [120, 256]]),
    ],
    ids=["wide", "tall"],
)
def test_box_of_another_shape_is_centred_and_not_distorted(box, corners):
    ends = np.array([[box.x0, box.y0], [box.x1, box.y1]])

    np.testing.assert_allclose(
        transform_points(ends, crop_affine(box, PORTRAIT, 1.0)), corners, atol=1e-9
    )


def test_rotation_turns_the_content_clockwise():
    affine = crop_affine(Box(0, 0, 192, 256), PORTRAIT, 1.0, rotation_deg=90)

    right_of_centre = transform_points(np.array([[106.0, 128.0]]), affine)

    np.testing.assert_allclose(right_of_centre, [[96, 138]], atol=1e-9)


def test_flip_mirrors_left_and_right():
    box = Box(0, 0, 192, 256)
    point = np.array([[30.0, 40.0]])

    flipped = transform_points(point, crop_affine(box, PORTRAIT, 1.0, flip=True))

    np.testing.assert_allclose(flipped, [[192 - 30, 40]], atol=1e-9)


def test_shift_moves_the_crop_in_fractions_of_the_box():
    box = Box(0, 0, 192, 256)

    origin = transform_points(np.zeros((1, 2)), crop_affine(box, PORTRAIT, 1.0, shift=(0.25, -0.5)))

    np.testing.assert_allclose(origin, [[-48, 128]], atol=1e-9)


@pytest.mark.parametrize(
    ("box", "changes", "sigma"),
    [
        pytest.param(Box(330, 210, 426, 338), {}, 3, id="enlarged"),
        pytest.param(Box(300, 200, 492, 456), {}, 4, id="same scale"),
        pytest.param(Box(200, 100, 500, 500), {}, 6, id="shrunk a little"),
        pytest.param(Box(50, 10, 600, 590), {}, 12, id="shrunk and oversampled twice"),
        pytest.param(Box(-400, -400, 1200, 1000), {}, 24, id="shrunk and oversampled four times"),
        pytest.param(Box(300, 200, 492, 456), {"rotation_deg": 37.0}, 4, id="turned"),
        pytest.param(Box(300, 200, 492, 456), {"flip": True}, 4, id="flipped"),
        pytest.param(
            Box(200, 100, 500, 500),
            {"rotation_deg": -25.0, "flip": True, "scale": 1.3, "shift": (0.05, -0.1)},
            6,
            id="all at once",
        ),
    ],
)
def test_dot_is_found_where_its_point_is_mapped_to(box, changes, sigma):
    point = np.array([[370.3, 281.7]])
    affine = crop_affine(box, PORTRAIT, 1.25, **changes)

    crop = warp(picture_with_dot(*point[0], sigma), affine, PORTRAIT)

    found = centre_of_mass(crop)
    np.testing.assert_allclose(found, transform_points(point, affine)[0], atol=0.1)


@pytest.mark.parametrize("side", [320, 130, 64, 40])
def test_letterboxed_dot_is_found_where_its_point_is_mapped_to(side):
    size = Size(height=side, width=side)
    point = np.array([[470.2, 200.9]])
    affine = letterbox_affine(PICTURE, size)

    boxed = warp(picture_with_dot(*point[0], 40), affine, size)

    np.testing.assert_allclose(centre_of_mass(boxed), transform_points(point, affine)[0], atol=0.1)


def test_oversampling_sees_what_lies_between_the_samples():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::4] = 255

    shrunk = warp(stripes, np.array([[0.25, 0, 0], [0, 0.25, 0]]), Size(height=64, width=64))

    inside = shrunk[1:-1, 1:-1]
    assert inside.min() > 40
    assert inside.max() < 90


@pytest.mark.parametrize(
    ("image", "bars"),
    [
        (Size(height=100, width=400), np.s_[[0, 23, 40, 63], :]),
        (Size(height=400, width=100), np.s_[:, [0, 23, 40, 63]]),
    ],
    ids=["wide", "tall"],
)
def test_letterbox_centres_a_picture_between_black_bars(image, bars):
    white = np.full((image.height, image.width, 3), 255, np.uint8)
    size = Size(height=64, width=64)

    boxed = warp(white, letterbox_affine(image, size), size)

    expected = np.full((64, 64, 3), 255, np.uint8)
    expected[:24] = expected[40:] = 0
    if image.height > image.width:
        expected = expected.swapaxes(0, 1)
    assert not boxed[bars].any()
    # Half a pixel of the border mixes with the black outside.
    assert np.mean(boxed != expected) < 0.05


@pytest.mark.parametrize(
    "box",
    [Box(5, 5, 5, 5), Box(5, 5, 5, 300), Box(8, 8, 3, 3), Box.from_xywh(1e6, 1e6, 1e-9, 1e-9)],
    ids=["point", "line", "inside out", "far away"],
)
def test_degenerate_box_still_gives_a_crop(box):
    affine = crop_affine(box, PORTRAIT, 1.25)

    crop = warp(np.full((32, 32, 3), 200, np.uint8), affine, PORTRAIT)

    assert crop.shape == (256, 192, 3)
    assert np.isfinite(invert_affine(affine)).all()


def test_one_pixel_fills_its_letterbox():
    size = Size(height=32, width=32)

    boxed = warp(
        np.full((1, 1, 3), 255, np.uint8), letterbox_affine(Size(height=1, width=1), size), size
    )

    # Towards the border it fades into the black outside.
    assert boxed[15:17, 15:17].min() > 240


def test_very_wide_picture_is_letterboxed():
    picture = np.zeros((2, 40_000, 3), np.uint8)
    picture[:, 20_000:] = 255
    size = Size(height=64, width=64)

    boxed = warp(picture, letterbox_affine(Size(height=2, width=40_000), size), size)

    assert boxed[:, :31].max() == 0


def test_clipped_box_lies_inside_the_picture():
    image = Size(height=100, width=200)

    assert clip_box(Box(-5, 10, 250, 90), image) == Box(0, 10, 200, 90)
    assert clip_box(Box(300, 300, 400, 400), image) == Box(200, 100, 200, 100)


def test_clipped_box_keeps_what_is_no_number():
    box = clip_box(Box(math.nan, 10, math.inf, math.nan), Size(height=100, width=200))

    assert math.isnan(box.x0)
    assert math.isnan(box.y1)
    assert (box.y0, box.x1) == (10, 200)


@pytest.mark.parametrize("box", [Box(10, 20, 60, 220), Box(0, 0, 300, 20), Box(5, 5, 5, 5)])
def test_scale_of_a_crop_is_that_of_its_map(box):
    assert crop_scale(box, PORTRAIT, 1.25) == pytest.approx(
        affine_scale(crop_affine(box, PORTRAIT, 1.25))
    )


@pytest.mark.parametrize(
    ("height", "width", "fit"),
    [(480, 640, 1), (640, 480, 2), (500, 500, 0), (500, 540, 0), (100, 900, 1), (900, 100, 2)],
)
def test_picture_goes_where_it_is_shown_largest(height, width, fit):
    sizes = (Size(288, 288), Size(256, 320), Size(320, 256))

    assert best_fit(Size(height, width), sizes) is sizes[fit]


def test_of_equal_fits_the_first_is_taken():
    sizes = (Size(64, 64), Size(64, 96))

    assert best_fit(Size(100, 100), sizes) is sizes[0]
