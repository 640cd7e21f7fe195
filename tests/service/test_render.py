import cv2
import numpy as np
import pytest
import skimage.data

from service.inference.card import Skeleton
from service.inference.image import ImageLimits, decode_image
from service.inference.render import draw_persons, encode_image, track_colour
from service.inference.types import Box, Image, Keypoint, Person, Reduction, Size

SKELETON = Skeleton(
    names=("nose", "left_hip", "right_hip"),
    edges=((0, 1), (0, 2), (1, 2)),
    flip_pairs=((1, 2),),
    sigmas=(0.1, 0.1, 0.1),
)
BLUE, ORANGE, GREEN = (0, 158, 255), (255, 140, 0), (64, 220, 120)


def person(scale=1.0, scores=(0.9, 0.9, 0.9), offset=0.0):
    places = ((100, 40), (140, 120), (60, 120))
    return Person(
        score=0.9,
        box=Box(offset, offset, offset + 160 * scale, offset + 160 * scale),
        keypoints=tuple(
            Keypoint(name, x * scale + offset, y * scale + offset, score)
            for name, (x, y), score in zip(SKELETON.names, places, scores, strict=True)
        ),
    )


def grey(side=200):
    return Image(np.full((side, side, 3), 128, np.uint8))


def has_colour(image, colour):
    return bool(np.all(image.pixels == colour, axis=-1).any())


def changed_pixels(before, after):
    return int(np.any(before.pixels != after.pixels, axis=-1).sum())


def test_joints_have_the_colour_of_their_side():
    pixels = draw_persons(grey(), [person()], SKELETON).pixels

    assert [tuple(pixels[y, x].tolist()) for x, y in ((140, 120), (60, 120), (100, 40))] == [
        BLUE,
        ORANGE,
        GREEN,
    ]


def test_edges_are_drawn_between_joints():
    pixels = draw_persons(grey(), [person()], SKELETON).pixels

    assert tuple(pixels[80, 120].tolist()) == BLUE
    assert tuple(pixels[80, 80].tolist()) == ORANGE
    assert tuple(pixels[120, 100].tolist()) == GREEN


def test_joint_below_the_threshold_is_not_drawn_nor_its_edges():
    image = draw_persons(grey(), [person(scores=(0.9, 0.29, 0.9))], SKELETON)

    assert not has_colour(image, BLUE)
    assert has_colour(image, ORANGE)


def test_threshold_can_be_chosen():
    image = draw_persons(grey(), [person(scores=(0.1, 0.1, 0.1))], SKELETON, min_keypoint_score=0.1)

    assert has_colour(image, BLUE)


def test_lines_are_thicker_on_larger_people():
    small = draw_persons(grey(800), [person()], SKELETON)
    large = draw_persons(grey(800), [person(scale=4.0)], SKELETON)

    # Of lines of one thickness there would be four times as many pixels.
    assert changed_pixels(grey(800), large) > 8 * changed_pixels(grey(800), small)


def test_edges_are_anti_aliased():
    colours = np.unique(draw_persons(grey(), [person()], SKELETON).pixels.reshape(-1, 3), axis=0)

    assert len(colours) > 20


def test_picture_itself_is_not_changed():
    image = grey()

    draw_persons(image, [person()], SKELETON)

    assert (image.pixels == 128).all()


def test_nobody_leaves_the_picture_as_it_is():
    np.testing.assert_array_equal(draw_persons(grey(), [], SKELETON).pixels, grey().pixels)


def test_best_person_is_on_top():
    best, other = person(), person(offset=1.0)

    both = draw_persons(grey(), [best, other], SKELETON).pixels

    assert tuple(both[120, 140].tolist()) == BLUE
    alone = draw_persons(grey(), [best], SKELETON).pixels
    drawn = np.all(alone == BLUE, axis=-1)
    np.testing.assert_array_equal(both[drawn], alone[drawn])


@pytest.mark.parametrize("place", [-50.0, 1e6, -1e6])
def test_joints_outside_the_picture_do_no_harm(place):
    joints = (
        Keypoint("nose", 100.0, 40.0, 1.0),
        Keypoint("left_hip", place, place, 1.0),
        Keypoint("right_hip", 60.0, 120.0, 1.0),
    )

    image = draw_persons(grey(), [Person(1.0, Box(0, 0, 200, 200), joints)], SKELETON)

    assert has_colour(image, ORANGE)


def test_single_pixel_can_be_drawn_on():
    assert draw_persons(grey(1), [person()], SKELETON).pixels.shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("media_type", "signature", "largest_mean_difference"),
    [("image/png", b"\x89PNG", 0.0), ("image/jpeg", b"\xff\xd8", 8.0)],
)
def test_encoded_picture_is_the_picture(media_type, signature, largest_mean_difference):
    image = Image(cv2.resize(skimage.data.astronaut(), (128, 96)))

    data = encode_image(image, media_type)

    assert data.startswith(signature)
    decoded = decode_image(data, ImageLimits(max_bytes=10**6, max_pixels=10**6))
    difference = np.abs(decoded.pixels.astype(int) - image.pixels).mean()
    assert difference <= largest_mean_difference


def test_reduced_picture_is_not_drawn_into():
    pixels = np.zeros((4, 4, 3), np.uint8)
    reduced = Image(pixels, Reduction(Size(8, 8), np.array([[2.0, 0, 0], [0, 2, 0]])))

    with pytest.raises(ValueError, match=r"reduced to 0\.5; expected all of its pixels"):
        draw_persons(reduced, [person()], SKELETON)


def test_tracked_people_have_a_box_and_a_number_in_a_colour_of_their_own():
    plain = draw_persons(grey(), [person(0.5)], SKELETON)
    first = draw_persons(grey(), [person(0.5)], SKELETON, track_ids=[1])
    second = draw_persons(grey(), [person(0.5)], SKELETON, track_ids=[2])

    assert not has_colour(plain, track_colour(1))
    assert has_colour(first, track_colour(1))
    assert has_colour(second, track_colour(2))
    # Left and right stay what they are.
    assert has_colour(first, BLUE)
    assert has_colour(first, ORANGE)


def test_people_without_a_number_look_as_before():
    plain = draw_persons(grey(), [person()], SKELETON)

    assert (
        draw_persons(grey(), [person()], SKELETON, track_ids=[None]).pixels == plain.pixels
    ).all()


def test_each_person_needs_a_place_for_a_number():
    with pytest.raises(ValueError, match="zip"):
        draw_persons(grey(), [person(), person()], SKELETON, track_ids=[1])


def test_colours_of_numbers_that_follow_each_other_differ():
    colours = np.array([track_colour(number) for number in range(1, 30)], float)

    assert np.linalg.norm(np.diff(colours, axis=0), axis=1).min() > 60
