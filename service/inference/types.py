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


@dataclass(frozen=True, slots=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded upright picture: RGB uint8 `[H, W, 3]`."""

    pixels: Pixels

    @property
    def size(self) -> Size:
        return Size(height=self.pixels.shape[0], width=self.pixels.shape[1])


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
