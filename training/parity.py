"""Whether two networks give the same answers, as far as anybody could notice."""

from dataclasses import dataclass

import cv2
import numpy as np

from service.inference.errors import InvalidBundle
from service.inference.session import Answer, Session
from service.inference.types import Floats, Pixels, Size

MAX_PIXELS = 0.5
MAX_SCORE = 0.01
_SURE = 0.05
_PICTURES = 10
_BATCHES = (1, 5)


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest differences of two answers.

    Attributes:
        pixels: between joints or corners of boxes, in input pixels. Counted are those with a score
            above 0.05, and the best of each picture: where a network sees nothing, its maximum lies
            anywhere.
        score: between scores, all of them.
    """

    pixels: float
    score: float

    @property
    def acceptable(self) -> bool:
        # Written so that a difference that is not a number is not acceptable.
        return self.pixels <= MAX_PIXELS and self.score <= MAX_SCORE


def check_parity(reference: Session, exported: Session, pictures: Pixels) -> Difference:
    """Compares two networks on pictures `[N, H, W, 3]`, one by one and five at a time.

    Returns:
        The largest differences.

    Raises:
        InvalidBundle: they exceed `MAX_PIXELS` or `MAX_SCORE`.
    """
    pictures = pictures[np.arange(_PICTURES) % len(pictures)]
    expected = reference.run(pictures)
    worst = Difference(0.0, 0.0)
    for batch in _BATCHES:
        difference = compare(expected, _run(exported, pictures, batch))
        if not difference.acceptable:
            raise InvalidBundle(
                f"exported network differs by {difference.pixels:.3f} px and {difference.score:.4f}"
                f" in score in batches of {batch}; allowed are {MAX_PIXELS} px and {MAX_SCORE}"
            )
        worst = Difference(max(worst.pixels, difference.pixels), max(worst.score, difference.score))
    return worst


def compare(expected: Answer, actual: Answer) -> Difference:
    """The largest differences of two answers to the same pictures."""
    if "keypoints" in expected:
        return _compare_joints(expected["keypoints"], actual["keypoints"])
    return _compare_boxes(expected, actual)


def synthetic_pictures(size: Size, count: int) -> Pixels:
    """Always the same coloured blobs with grain, uint8 `[count, H, W, 3]`.

    Without the grain, even areas would hold many maxima that differ by rounding alone.
    """
    rng = np.random.default_rng(0)
    coarse = (rng.uniform(0, 200, (4 + index, 4 + index, 3)) for index in range(count))
    blobs = np.stack([cv2.resize(colours, (size.width, size.height)) for colours in coarse])
    return (blobs + rng.uniform(0, 55, blobs.shape)).astype(np.uint8)


def _run(session: Session, pictures: Pixels, batch: int) -> Answer:
    starts = range(0, len(pictures), batch)
    parts = [session.run(pictures[start : start + batch]) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _compare_joints(expected: Floats, actual: Floats) -> Difference:
    scores = expected[..., 2]
    sure = (scores > _SURE) | (scores == scores.max(axis=1, keepdims=True))
    distances = np.hypot(*np.moveaxis(expected[..., :2] - actual[..., :2], -1, 0))
    return Difference(
        float(distances[sure].max()), float(np.abs(expected[..., 2] - actual[..., 2]).max())
    )


def _compare_boxes(expected: Answer, actual: Answer) -> Difference:
    """A box may have changed its slot with one of nearly the same score: it is searched in all."""
    scores = expected["scores"]
    sure = (scores > _SURE) | (scores == scores.max(axis=1, keepdims=True))
    apart = np.abs(expected["boxes"][:, :, np.newaxis] - actual["boxes"][:, np.newaxis])
    nearest = apart.max(axis=-1).min(axis=-1)
    return Difference(float(nearest[sure].max()), float(np.abs(scores - actual["scores"]).max()))
