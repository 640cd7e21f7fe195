"""People drawn into their picture, and a picture as a file."""

import colorsys
from collections.abc import Sequence
from typing import Literal, assert_never

import cv2
import numpy as np

from service.inference.card import Skeleton
from service.inference.types import DRAWN_KEYPOINT_SCORE, Image, Keypoint, Person, Pixels

Colour = tuple[int, int, int]


# Blue and orange: colour-blind people can tell left from right too.
_LEFT: Colour = (0, 158, 255)
_RIGHT: Colour = (255, 140, 0)
_CENTRE: Colour = (64, 220, 120)
_OUTLINE: Colour = (20, 20, 20)
_SIZE_PER_THICKNESS = 110
_MAX_THICKNESS = 12
# OpenCV takes points in fractions of a pixel.
_SUBPIXEL_BITS = 4
_JPEG_QUALITY = 92
# Text of OpenCV's scale 0.5 in a picture of 640 pixels.
_LABEL_SCALE, _LABEL_PICTURE = 0.5, 640
# Multiples of it never come close to each other.
_GOLDEN_RATIO = 0.618034
_SATURATION = 0.6


def draw_persons(
    image: Image,
    persons: Sequence[Person],
    skeleton: Skeleton,
    *,
    min_keypoint_score: float = DRAWN_KEYPOINT_SCORE,
    track_ids: Sequence[int | None] = (),
) -> Image:
    """A copy of a picture with the edges and joints of people.

    The left side of the body is blue, the right side orange, what joins them green; the larger a
    person, the thicker the lines. Who is tracked has a box and a number in a colour of their own.

    Args:
        image: that the people were found in; not reduced.
        persons: drawn with the best one on top.
        skeleton: whose joints they have.
        min_keypoint_score: joints below, and the edges to them, are not drawn.
        track_ids: one for each person, or none at all.

    Raises:
        ValueError: the picture is reduced.
    """
    if image.reduction is not None:
        raise ValueError(f"the picture is reduced to {image.scale}; expected all of its pixels")
    pixels = image.pixels.copy()
    for person in reversed(persons):
        _draw_person(pixels, person, skeleton, min_keypoint_score)
    for person, track_id in zip(persons, track_ids, strict=bool(track_ids)):
        if track_id is not None:
            _draw_number(pixels, person, track_id)
    return Image(pixels)


def encode_image(image: Image, media_type: Literal["image/png", "image/jpeg"]) -> bytes:
    """A picture as a PNG or JPEG file."""
    bgr = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
    match media_type:
        case "image/png":
            _, data = cv2.imencode(".png", bgr)
        case "image/jpeg":
            _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        case _:
            assert_never(media_type)
    return data.tobytes()


def _draw_person(pixels: Pixels, person: Person, skeleton: Skeleton, min_score: float) -> None:
    thickness = _thickness(person)
    shown = [joint.score >= min_score for joint in person.keypoints]
    edges = [edge for edge in skeleton.edges if shown[edge[0]] and shown[edge[1]]]
    # A dark outline first: the colours then stand out against any picture.
    for outline in (True, False):
        for start, end in edges:
            first, second = person.keypoints[start], person.keypoints[end]
            _line(pixels, first, second, thickness, outline=outline)
    for joint, visible in zip(person.keypoints, shown, strict=True):
        if visible:
            _dot(pixels, joint, thickness)


def _draw_number(pixels: Pixels, person: Person, track_id: int) -> None:
    """A thin box around a person, with the number on its upper edge."""
    colour = track_colour(track_id)
    box = person.box
    first, second = (round(box.x0), round(box.y0)), (round(box.x1) - 1, round(box.y1) - 1)
    cv2.rectangle(pixels, first, second, colour, max(1, _thickness(person) // 2), cv2.LINE_AA)
    text, scale = str(track_id), _LABEL_SCALE * max(pixels.shape[:2]) / _LABEL_PICTURE
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    # Above the box, but within the picture.
    bottom = max(first[1], height + 2 * below)
    corner = (first[0] + width + below, bottom - height - 2 * below)
    cv2.rectangle(pixels, (first[0], bottom), corner, colour, cv2.FILLED)
    place = (first[0] + below // 2, bottom - below)
    cv2.putText(pixels, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _OUTLINE, 1, cv2.LINE_AA)


def track_colour(track_id: int) -> Colour:
    """A bright colour, far from those of the numbers before and after it."""
    hue = track_id * _GOLDEN_RATIO % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, _SATURATION, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _thickness(person: Person) -> int:
    size = float(np.hypot(person.box.width, person.box.height))
    return int(np.clip(round(size / _SIZE_PER_THICKNESS), 1, _MAX_THICKNESS))


def _line(
    pixels: Pixels, first: Keypoint, second: Keypoint, thickness: int, *, outline: bool
) -> None:
    colour = _OUTLINE if outline else _edge_colour(first.name, second.name)
    width = thickness + 2 * _outline_width(thickness) if outline else thickness
    cv2.line(pixels, _point(first), _point(second), colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(pixels: Pixels, joint: Keypoint, thickness: int) -> None:
    radius = (thickness + 1) << _SUBPIXEL_BITS
    outer = radius + (_outline_width(thickness) << _SUBPIXEL_BITS)
    for size, colour in ((outer, _OUTLINE), (radius, _side_colour(joint.name))):
        cv2.circle(pixels, _point(joint), size, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)


def _outline_width(thickness: int) -> int:
    return max(1, thickness // 3)


def _point(joint: Keypoint) -> tuple[int, int]:
    """OpenCV puts the centre of the first pixel at 0."""
    scale = 1 << _SUBPIXEL_BITS
    return round((joint.x - 0.5) * scale), round((joint.y - 0.5) * scale)


def _side_colour(name: str) -> Colour:
    if name.startswith("left"):
        return _LEFT
    return _RIGHT if name.startswith("right") else _CENTRE


def _edge_colour(first: str, second: str) -> Colour:
    """The colour of the side; where it has none or both, that of the centre."""
    colours = {_side_colour(first), _side_colour(second)} - {_CENTRE}
    return colours.pop() if len(colours) == 1 else _CENTRE
