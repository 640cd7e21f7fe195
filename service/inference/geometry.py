"""Boxes, affine crops and their inverse: the one crop, used in training and in serving.

All points are continuous: pixel i covers [i, i + 1) and its centre lies at i + 0.5. In this frame a
box of w pixels maps to a crop of W pixels by the factor W / w, without the half-pixel bias that
Huang et al. (2020, "The Devil is in the Details", UDP) describe.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from service.inference.types import Box, Floats, Pixels, Size

_MAX_OVERSAMPLING = 4


def crop_affine(
    box: Box,
    size: Size,
    padding: float,
    *,
    scale: float = 1.0,
    rotation_deg: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    flip: bool = False,
) -> Floats:
    """The map from picture points to points of a crop around a box.

    The box is widened to the aspect ratio of `size` and enlarged by `padding`, so that nothing is
    distorted. `scale`, `rotation_deg`, `shift` and `flip` serve augmentation.

    Args:
        box: the person's box in picture pixels; sides below one pixel count as one.
        size: of the crop.
        padding: factor on both sides of the box, 1.25 in most papers.
        scale: further factor on the sides; above 1 the person gets smaller.
        rotation_deg: clockwise turn of the content as seen on the screen.
        shift: of the crop's centre, in fractions of the widened box's width and height.
        flip: mirror left and right.

    Returns:
        float64 `[2, 3]`.
    """
    aspect = size.width / size.height
    crop_width = _crop_width(box, size, padding) * scale
    centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    centre += np.array(shift) * (crop_width, crop_width / aspect)
    angle = np.deg2rad(rotation_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) * (size.width / crop_width)
    if flip:
        linear[0] *= -1
    offset = np.array([size.width / 2, size.height / 2]) - linear @ centre
    return np.column_stack([linear, offset])


def crop_scale(box: Box, size: Size, padding: float) -> float:
    """How many pixels of the crop around a box there are for one of the picture's."""
    return size.width / _crop_width(box, size, padding)


def letterbox_affine(image: Size, size: Size) -> Floats:
    """The map from picture points to a centred, undistorted fit into `size`; float64 `[2, 3]`."""
    scale = min(size.width / image.width, size.height / image.height)
    offset_x = (size.width - image.width * scale) / 2
    offset_y = (size.height - image.height * scale) / 2
    return np.array([[scale, 0.0, offset_x], [0.0, scale, offset_y]])


def best_fit(image: Size, sizes: Sequence[Size]) -> Size:
    """The one of some sizes whose letterbox shows a picture largest; of equal ones the first."""
    return max(sizes, key=lambda size: affine_scale(letterbox_affine(image, size)))


def invert_affine(affine: Floats) -> Floats:
    """The inverse map, `[2, 3]`."""
    inverse = np.linalg.inv(affine[:, :2])
    return np.column_stack([inverse, -inverse @ affine[:, 2]])


def compose_affines(outer: Floats, inner: Floats) -> Floats:
    """The map that applies `inner` and then `outer`, all `[2, 3]`."""
    linear = outer[:, :2]
    return np.column_stack([linear @ inner[:, :2], linear @ inner[:, 2] + outer[:, 2]])


def affine_scale(affine: Floats) -> float:
    """How many times longer a `[2, 3]` map makes a line; where that varies, the mean by area."""
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def transform_points(points: Floats, affine: Floats) -> Floats:
    """Applies a `[2, 3]` map to points `[..., 2]`."""
    return points @ affine[:, :2].T + affine[:, 2]


def warp(pixels: Pixels, affine: Floats, size: Size) -> Pixels:
    """Cuts a crop out of a picture; outside the picture is black.

    Where the map shrinks by two or more, the crop is sampled up to four times finer and averaged,
    since plain bilinear sampling would skip pixels.

    Args:
        pixels: uint8 `[H, W, 3]`.
        affine: `[2, 3]`, from picture to crop points.
        size: of the crop.

    Returns:
        uint8 `[size.height, size.width, 3]`.
    """
    finer = int(np.clip(1 / max(affine_scale(affine), 1e-6), 1, _MAX_OVERSAMPLING))
    # OpenCV puts the centre of the first pixel at 0: shift by half a pixel on both sides.
    matrix = affine * finer
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    target = (size.width * finer, size.height * finer)
    crop = cv2.warpAffine(pixels, matrix, target, flags=cv2.INTER_LINEAR)
    if finer > 1:
        crop = cv2.resize(crop, (size.width, size.height), interpolation=cv2.INTER_AREA)
    return crop.astype(np.uint8, copy=False)


def clip_box(box: Box, image: Size) -> Box:
    """The part of a box inside the picture."""
    return Box(
        x0=_clip(box.x0, image.width),
        y0=_clip(box.y0, image.height),
        x1=_clip(box.x1, image.width),
        y1=_clip(box.y1, image.height),
    )


def _clip(value: float, limit: int) -> float:
    # For one number 20 times as fast as `np.clip`; like there, NaN stays what it is.
    return float(min(max(value, 0.0), limit))


def _crop_width(box: Box, size: Size, padding: float) -> float:
    """The width of the part of the picture that a crop shows, in pixels of the picture."""
    width, height = max(box.width, 1.0), max(box.height, 1.0)
    return max(width, height * (size.width / size.height)) * padding
