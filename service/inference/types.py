"""The values that travel through the service: sizes, boxes, pictures, people.

Legend used everywhere: N crops, P persons, K keypoints, H, W. Points are `(x, y)` in pixels of the
named frame, x to the right, y down; the centre of the first pixel is (0.5, 0.5).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""RGB picture `[H, W, 3]`."""
Floats = npt.NDArray[np.floating]
"""Floating-point array; its shape is in the docstring of who takes or gives it."""
MAX_PERSONS = 20
"""People per picture unless the caller asks for another number."""
DRAWN_KEYPOINT_SCORE = 0.3
"""Joints below are probably not in the picture."""


@dataclass(frozen=True, slots=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Reduction:
    """How the pixels of a picture that was decoded at a fraction of its size lie in the whole one.

    Attributes:
        size: of the whole picture.
        to_picture: float64 `[2, 3]`, from points of the pixels to points of the whole picture.
    """

    size: Size
    to_picture: Floats


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded upright picture.

    Attributes:
        pixels: RGB uint8 `[H, W, 3]`.
        reduction: None where the pixels are those of the whole picture.
    """

    pixels: Pixels
    reduction: Reduction | None = None

    @property
    def size(self) -> Size:
        """Of the whole picture; boxes and joints are in its pixels."""
        if self.reduction is not None:
            return self.reduction.size
        return Size(height=self.pixels.shape[0], width=self.pixels.shape[1])

    @property
    def to_picture(self) -> Floats:
        """From points of `pixels` to points of the whole picture, float64 `[2, 3]`."""
        return np.eye(2, 3) if self.reduction is None else self.reduction.to_picture

    @property
    def scale(self) -> float:
        """How many pixels there are for one of the whole picture's, along a line."""
        return 1 / float(self.to_picture[0, 0])


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box by its corners, in pixels of the picture; x1 and y1 are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @classmethod
    def from_xywh(cls, x: float, y: float, width: float, height: float) -> "Box":
        """A box from COCO's `[x, y, width, height]`."""
        return cls(x, y, x + width, y + height)


@dataclass(frozen=True, slots=True)
class Keypoint:
    """A named joint in pixels of the picture, with a score in 0..1."""

    name: str
    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True)
class Person:
    """A person: score in 0..1, box and K keypoints in the skeleton's order."""

    score: float
    box: Box
    keypoints: tuple[Keypoint, ...]
