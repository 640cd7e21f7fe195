"""Boxes drawn into a picture; people with joints are drawn by `service.inference.render`."""

from collections.abc import Sequence

import cv2
import numpy as np

from service.inference.render import Colour
from service.inference.types import Box, Image

FOUND: Colour = (255, 176, 32)
TRUTH: Colour = (64, 220, 120)
_OUTLINE: Colour = (20, 20, 20)
_SIZE_PER_THICKNESS = 300
_MAX_THICKNESS = 8
_TEXT_SCALE = 0.4


def draw_boxes(
    image: Image,
    boxes: Sequence[Box],
    *,
    labels: Sequence[str] = (),
    colour: Colour = FOUND,
    thickness: int | None = None,
) -> Image:
    """A copy of a picture with boxes.

    Args:
        image: that the boxes belong to.
        boxes: in pixels of the picture; the first is drawn on top.
        labels: one for each box, written inside at its top, or none at all.
        colour: of the boxes.
        thickness: of the lines in pixels; None takes more for a larger picture.
    """
    pixels = image.pixels.copy()
    if thickness is None:
        longest = max(image.size.width, image.size.height)
        thickness = int(np.clip(round(longest / _SIZE_PER_THICKNESS), 1, _MAX_THICKNESS))
    texts = labels or [""] * len(boxes)
    for box, text in reversed(list(zip(boxes, texts, strict=True))):
        first = (round(box.x0), round(box.y0))
        last = (round(box.x1) - 1, round(box.y1) - 1)
        # A dark outline first: the colour then stands out against any picture.
        for shade, width in ((_OUTLINE, 3 * thickness), (colour, thickness)):
            cv2.rectangle(pixels, first, last, shade, width)
        _write(pixels, text, first, colour, thickness)
    return Image(pixels)


def _write(
    pixels: np.ndarray, text: str, corner: tuple[int, int], colour: Colour, thickness: int
) -> None:
    if not text:
        return
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE * (1 + thickness) / 2
    (width, height), _ = cv2.getTextSize(text, font, scale, thickness)
    x, y = corner[0] + thickness, corner[1] + thickness
    bottom = (x + width + 2, y + height + 4)
    cv2.rectangle(pixels, (x, y), bottom, _OUTLINE, cv2.FILLED)
    place = (x + 1, y + height + 1)
    cv2.putText(pixels, text, place, font, scale, colour, max(1, thickness // 2), cv2.LINE_AA)
