"""Random changes of colour and visibility, on uint8 RGB pixels."""

import cv2
import numpy as np

from service.inference.types import Pixels

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def change_colours(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast, gamma, saturation and tint; sometimes grey or blurred.

    Args:
        pixels: uint8 `[H, W, 3]`.
        strength: 0 (nothing) to 1.
        rng: the sample's source of randomness.
    """
    if strength == 0:
        return pixels
    changed = cv2.LUT(pixels, _tone_curves(strength, rng))
    saturation = 0.0 if rng.random() < 0.1 * strength else rng.uniform(1 - strength, 1 + strength)
    changed = cv2.transform(changed, _saturation_matrix(saturation))
    if rng.random() < 0.2 * strength:
        changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.5, 1.5))
    return np.asarray(changed, np.uint8)


def _tone_curves(strength: float, rng: np.random.Generator) -> Pixels:
    """A curve per channel: `contrast * level ** gamma * tint + brightness`; uint8 `[1, 256, 3]`."""
    level = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-strength, strength) * 0.5)
    contrast = 1 + rng.uniform(-strength, strength)
    tint = 1 + rng.uniform(-strength, strength, 3) * 0.3
    curves = (level - 0.5) * contrast * tint + 0.5 + rng.uniform(-strength, strength) * 0.4
    return (np.clip(curves, 0, 1) * 255).astype(np.uint8)[None]


def _saturation_matrix(saturation: float) -> np.ndarray:
    """Mixes each channel with the grey value; float32 `[3, 3]`."""
    return (saturation * np.eye(3) + (1 - saturation) * _GREY[None, :]).astype(np.float32)


def occlude(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Covers one random rectangle of up to a ninth of the picture with a flat colour or noise."""
    height: int = pixels.shape[0]
    width: int = pixels.shape[1]
    box_height = int(rng.uniform(0.1, 0.35) * height)
    box_width = int(rng.uniform(0.1, 0.35) * width)
    top = int(rng.integers(height - box_height))
    left = int(rng.integers(width - box_width))
    covered = pixels.copy()
    target = covered[top : top + box_height, left : left + box_width]
    if rng.random() < 0.5:
        target[:] = rng.integers(0, 256, 3)
    else:
        target[:] = rng.integers(0, 256, target.shape)
    return covered
