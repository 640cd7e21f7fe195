"""Whether a pipeline's answer on a known photograph makes sense.

A network that was exported or converted wrongly still answers in the right shapes, and what follows
hides the rest: boxes are clipped, scores are cut off.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from service.inference.card import ModelCard
from service.inference.errors import InvalidBundle
from service.inference.estimator import PoseEstimator
from service.inference.image import ImageLimits, checked_header, decode_reduced
from service.inference.session import Answer, Session
from service.inference.types import Box, Floats, Pixels, Size

# The portrait of Eileen Collins by NASA, in the public domain; smaller than docs/astronaut.jpg.
_PHOTOGRAPH = Path(__file__).with_name("self_test.jpg")
_LIMITS = ImageLimits(max_bytes=40_000, max_pixels=384 * 384)
_PERSON = Box(14, 18, 288, 384)
# Peaks of a heatmap may exceed 1, and low ones fall below 0.
_SCORE_OVERSHOOT = 0.25
# A joint or the end of a box may be guessed outside of what is seen, but not farther than this
# times its width or height.
_OUTSIDE = 1.0


def self_test(estimator: PoseEstimator) -> int:
    """Looks for people in a photograph that comes with the service, and at every answer on the way.

    Each network is asked, the one for keypoints also where the detector finds nobody, since a
    pipeline may be made for other beings than people.

    Returns:
        How many people were found; one is there.

    Raises:
        InvalidBundle: a network's answer makes no sense.
        PoseError: a network failed.
    """
    checked = replace(
        estimator,
        detector=_Checked(estimator.detector, partial(_check_boxes, estimator.min_person_score)),
        keypoints=_Checked(estimator.keypoints, _check_joints),
    )
    data = _PHOTOGRAPH.read_bytes()
    decode = partial(decode_reduced, data, _LIMITS)
    image = decode(checked.needed_scale(checked_header(data, _LIMITS).size))
    found = checked.predict(image, finer=decode)
    checked.predict(image, boxes=[_PERSON], finer=decode)
    return len(found.persons)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A session whose answers are looked at."""

    session: Session
    check: Callable[[ModelCard, Size, Answer], None]

    @property
    def card(self) -> ModelCard:
        return self.session.card

    @property
    def provider(self) -> str:
        return self.session.provider

    def run(self, image: Pixels) -> Answer:
        answer = self.session.run(image)
        self.check(self.card, Size(height=image.shape[1], width=image.shape[2]), answer)
        return answer


def _check_boxes(min_person_score: float, card: ModelCard, size: Size, answer: Answer) -> None:
    scores, boxes = answer["scores"], answer["boxes"]
    _check_scores(card, scores)
    _check_finite(card, "a box", boxes)
    # Slots that the detector did not need may hold anything.
    used = boxes[(scores > 0) & (scores >= min_person_score)]
    unordered = (used[:, 2:] <= used[:, :2]).any(axis=1)
    _refuse(card, "a box", used[unordered], "x0 < x1 and y0 < y1")
    _check_places(card, size, "a box", used.reshape(-1, 2))


def _check_joints(card: ModelCard, size: Size, answer: Answer) -> None:
    rows = answer["keypoints"]
    _check_scores(card, rows[..., 2])
    _check_finite(card, "a joint", rows)
    _check_places(card, size, "a joint", rows[..., :2].reshape(-1, 2))


def _check_scores(card: ModelCard, scores: Floats) -> None:
    # Written so that NaN is refused.
    sane = (scores >= -_SCORE_OVERSHOOT) & (scores <= 1 + _SCORE_OVERSHOOT)
    _refuse(card, "a score", scores[~sane], "a number in 0..1")


def _check_finite(card: ModelCard, what: str, rows: Floats) -> None:
    flat = rows.reshape(-1, rows.shape[-1])
    _refuse(card, what, flat[~np.isfinite(flat).all(axis=1)], "finite numbers")


def _check_places(card: ModelCard, size: Size, what: str, points: Floats) -> None:
    sides = np.array([size.width, size.height])
    far = (points < -_OUTSIDE * sides) | (points > (1 + _OUTSIDE) * sides)
    expected = f"pixels of the input of {size.width} x {size.height}, or not far from it"
    _refuse(card, what, points[far.any(axis=1)], expected)


def _refuse(card: ModelCard, what: str, wrong: Floats, expected: str) -> None:
    if len(wrong):
        shown = np.array2string(wrong[0], precision=4, separator=", ")
        raise InvalidBundle(
            f"{card.reference} answers {what} of {shown} on the built-in photograph; "
            f"expected {expected}"
        )
