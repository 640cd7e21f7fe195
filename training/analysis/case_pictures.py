"""A case of an error as a picture: the truth on the left, the answer on the right."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from service.inference.card import Skeleton
from service.inference.geometry import transform_points, warp
from service.inference.render import Colour, draw_persons
from service.inference.types import Box, Floats, Image, Keypoint, Person, Pixels, Size
from training.analysis.results import JointError
from training.analysis.worst_cases import Case
from training.drawing import FOUND, TRUTH, draw_boxes
from training.measure import Measurement, Result

JOINT_COLOURS: dict[JointError, Colour] = {
    "jitter": (255, 214, 10),
    "inversion": (200, 80, 255),
    "swap": (0, 220, 220),
    "miss": (255, 50, 50),
}
"""Of the rings around wrong joints."""
# Around the person or the answer that went wrong as a whole.
_CASE_COLOUR: Colour = (255, 50, 50)
_PANEL_PX = 400
_GAP_PX = 8
_CAPTION_PX = 24
_MARGIN = 0.15
_SHOWN_SCORE = 0.3
_LINE_PX = 2
_RING_PX = 9
# OpenCV takes points in fractions of a pixel.
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class _View:
    """A part of a picture: its pixels, and the map from the picture's points to its own."""

    pixels: Pixels
    affine: Floats


def draw_case(measurement: Measurement, case: Case, picture: Image, min_score: float) -> Image:
    """Truth and answer side by side.

    Rings mark wrong joints, lines lead to where they belong. For errors of whole people everybody
    nearby is drawn, and the case has a red box.

    Args:
        measurement: of the case.
        case: one of `worst_cases`.
        picture: the whole picture of the case.
        min_score: answers below are not drawn.
    """
    annotations, results = measurement.data.document["annotations"], measurement.results
    person = [] if case.annotation is None else [annotations[case.annotation]]
    answer = [] if case.result is None else [results[case.result]]
    view = _view(picture, [*person, *answer])
    if case.joints:
        left, right = _draw_joints(view, person[0], answer[0], case, measurement.data.skeleton)
    else:
        image_id = (person or answer)[0]["image_id"]
        truth = [one for one in annotations if one["image_id"] == image_id]
        shown = [one for one in results if one["image_id"] == image_id]
        shown = [one for one in shown if one["score"] >= min_score]
        skeleton = None if measurement.comparison.sigmas is None else measurement.data.skeleton
        left = _draw_people(view, truth, person, skeleton, TRUTH)
        right = _draw_people(view, shown, answer, skeleton, FOUND)
    gap = np.full((left.shape[0], _GAP_PX, 3), 255, np.uint8)
    return Image(np.concatenate([left, gap, right], axis=1))


def with_caption(image: Image, text: str) -> Image:
    """The picture with a line of text below it."""
    strip = np.full((_CAPTION_PX, image.size.width, 3), 255, np.uint8)
    place = (4, _CAPTION_PX - 8)
    cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return Image(np.concatenate([image.pixels, strip]))


def _view(picture: Image, entries: Sequence[Result]) -> _View:
    """The part of the picture around people and answers, enlarged or shrunk to a panel."""
    corners = np.concatenate([_corners(entry) for entry in entries])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _MARGIN * max(*(high - low), 1.0)
    sides = np.array([picture.size.width, picture.size.height])
    low = np.clip(low - margin, 0, sides - 1)
    high = np.clip(high + margin, low + 1, sides)
    scale = _PANEL_PX / float(max(high - low))
    affine = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]]])
    width, height = np.maximum(np.ceil(scale * (high - low)), 16).astype(int).tolist()
    return _View(warp(picture.pixels, affine, Size(height, width)), affine)


def _draw_joints(
    view: _View, person: Result, answer: Result, case: Case, skeleton: Skeleton
) -> tuple[Pixels, Pixels]:
    """Truth and answer of one person; joints that are compared are drawn whatever their score."""
    true_joints, found = _joints(person, view.affine), _joints(answer, view.affine)
    found[true_joints[:, 2] > 0, 2] = 1
    left = _draw_skeletons(view, [person], [true_joints], skeleton)
    right = _draw_skeletons(view, [answer], [found], skeleton)
    for start, end, kind in zip(found, true_joints, case.joints, strict=True):
        if kind is not None and kind != "good":
            colour, radius = JOINT_COLOURS[kind], _RING_PX << _SUBPIXEL_BITS
            cv2.line(right, _point(start), _point(end), colour, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
            cv2.circle(right, _point(start), radius, colour, _LINE_PX, cv2.LINE_AA, _SUBPIXEL_BITS)
    return left, right


def _draw_people(
    view: _View,
    everyone: Sequence[Result],
    wrong: Sequence[Result],
    skeleton: Skeleton | None,
    colour: Colour,
) -> Pixels:
    """People or answers nearby, as boxes without a skeleton; red boxes around the wrong ones."""
    if skeleton is None:
        boxes = _boxes(view, everyone)
        image = draw_boxes(Image(view.pixels), boxes, colour=colour, thickness=_LINE_PX)
    else:
        labelled = [entry for entry in everyone if any(entry.get("keypoints", ()))]
        joints = [_joints(entry, view.affine) for entry in labelled]
        image = Image(_draw_skeletons(view, labelled, joints, skeleton))
    boxes = _boxes(view, wrong)
    return draw_boxes(image, boxes, colour=_CASE_COLOUR, thickness=_LINE_PX).pixels


def _draw_skeletons(
    view: _View, entries: Sequence[Result], joints: Sequence[Floats], skeleton: Skeleton
) -> Pixels:
    persons: list[Person] = []
    for box, rows in zip(_boxes(view, entries), joints, strict=True):
        named = zip(skeleton.names, rows.tolist(), strict=True)
        keypoints = tuple(Keypoint(name, x, y, score) for name, (x, y, score) in named)
        persons.append(Person(1.0, box, keypoints))
    image = Image(view.pixels)
    return draw_persons(image, persons, skeleton, min_keypoint_score=_SHOWN_SCORE).pixels


def _boxes(view: _View, entries: Sequence[Result]) -> list[Box]:
    """Of people or answers, in pixels of the view."""
    corners = [transform_points(_corners(entry), view.affine).ravel() for entry in entries]
    return [Box(*corner.tolist()) for corner in corners]


def _joints(entry: Result, affine: Floats) -> Floats:
    """The joints `[K, 3]` in pixels of the view; the third is score or visibility."""
    joints = np.array(entry["keypoints"], float).reshape(-1, 3)
    return np.column_stack([transform_points(joints[:, :2], affine), joints[:, 2]])


def _corners(entry: Result) -> Floats:
    x, y, width, height = entry["bbox"]
    return np.array([[x, y], [x + width, y + height]], float)


def _point(point: Floats) -> tuple[int, int]:
    """OpenCV puts the centre of the first pixel at 0."""
    x, y = ((point[:2] - 0.5) * (1 << _SUBPIXEL_BITS)).round().astype(int).tolist()
    return x, y
