"""Labelled people and pictures as small pictures of a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from service.inference.card import Skeleton
from service.inference.geometry import (
    affine_scale,
    compose_affines,
    crop_affine,
    letterbox_affine,
    transform_points,
    warp,
)
from service.inference.render import draw_persons
from service.inference.types import Box, Floats, Image, Keypoint, Person, Pixels, Size
from training.data.checks_people import CheckedPerson
from training.data.pictures import BrokenPicture, read_picture, read_reduced
from training.drawing import TRUTH, draw_boxes
from training.pages.page import picture_tag

_PERSON_SIZE = Size(height=260, width=200)
_PICTURE_SIZE = Size(height=180, width=200)
_PADDING = 1.2


def person_tag(person: CheckedPerson, skeleton: Skeleton | None) -> Markup | None:
    """The part of the picture around a person's box and joints, both drawn; None without one."""
    region = _region(person)
    if region is None or not person.place.pictures:
        return None
    affine = crop_affine(region, _PERSON_SIZE, _PADDING)
    scale = affine_scale(affine)
    try:
        picture = read_reduced(person.place.pictures[0], lambda _: scale)
    except BrokenPicture:
        return None
    view = Image(warp(picture.pixels, compose_affines(affine, picture.to_picture), _PERSON_SIZE))
    if person.box is not None:
        view = draw_boxes(view, [_mapped_box(person.box, affine)], colour=TRUTH)
    if person.joints is not None and skeleton is not None:
        drawn = _mapped_person(person.joints, region, skeleton, affine)
        view = draw_persons(view, [drawn], skeleton, min_keypoint_score=0.5)
    return picture_tag(view.pixels, person.place.text)


def pictures_tag(paths: Sequence[Path], description: str) -> Markup | None:
    """Pictures beside each other; None if one of them cannot be read."""
    try:
        views = [_fitted(path) for path in paths]
    except BrokenPicture:
        return None
    return picture_tag(np.concatenate(views, axis=1), description)


def _fitted(path: Path) -> Pixels:
    image = read_picture(path)
    return warp(image.pixels, letterbox_affine(image.size, _PICTURE_SIZE), _PICTURE_SIZE)


def _region(person: CheckedPerson) -> Box | None:
    """What holds the box and all labelled joints."""
    corners: list[tuple[float, float]] = []
    if person.box is not None:
        corners += [(person.box.x0, person.box.y0), (person.box.x1, person.box.y1)]
    if person.joints is not None:
        labelled = person.joints[:, 2] > 0
        corners += [(x, y) for x, y in person.joints[labelled, :2].tolist()]
    if not corners:
        return None
    xs, ys = zip(*corners, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def _mapped_box(box: Box, affine: Floats) -> Box:
    points = transform_points(np.array([(box.x0, box.y0), (box.x1, box.y1)]), affine)
    (x0, y0), (x1, y1) = points.tolist()
    return Box(x0, y0, x1, y1)


def _mapped_person(joints: Floats, region: Box, skeleton: Skeleton, affine: Floats) -> Person:
    points = transform_points(joints[:, :2], affine).tolist()
    keypoints = tuple(
        Keypoint(name, x, y, score=float(visibility > 0))
        for name, (x, y), visibility in zip(
            skeleton.names, points, joints[:, 2].tolist(), strict=True
        )
    )
    return Person(score=1.0, box=_mapped_box(region, affine), keypoints=keypoints)
