"""What each threshold on the score gives."""

import numpy as np

from service.inference.types import Floats
from training.analysis.results import OperatingPoint
from training.coco_tool import Matches

_SCORES = np.arange(0, 1, 0.05).round(2)


def operating_points(at_50: Matches, scores: Floats) -> tuple[OperatingPoint, ...]:
    """Precision and recall at scores 0.00, 0.05 ... 0.95.

    Which answers are right does not depend on the threshold: the matching goes from the best answer
    down.

    Args:
        at_50: who found whom at a similarity of 0.50.
        scores: of the results.
    """
    people = int(at_50.expected.sum())
    points: list[OperatingPoint] = []
    for min_score in _SCORES.tolist():
        shown = at_50.counts & (scores >= min_score)
        answers, right = int(shown.sum()), int((shown & (at_50.person >= 0)).sum())
        points.append(
            OperatingPoint(
                min_score=min_score,
                answers=answers,
                precision=right / answers if answers else None,
                recall=right / people if people else 0.0,
                f1=2 * right / (answers + people) if answers + people else 0.0,
            )
        )
    return tuple(points)


def best_point(points: tuple[OperatingPoint, ...]) -> OperatingPoint:
    """The one with the highest F1; of several the lowest score."""
    return max(points, key=lambda point: point.f1)
