"""Whether scores are the probabilities of being right."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from service.inference.types import Floats
from training.analysis.results import Calibration, CalibrationBin
from training.coco_tool import Flags

_BINS = 10


def calibrate(
    of: Literal["person", "joint"], scores: Floats, right: Mapping[str, Flags]
) -> Calibration:
    """The rate of right answers for scores in tenths of 0..1.

    Args:
        of: what has the scores.
        scores: `[R]`.
        right: for each criterion which answers were right, `[R]`.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    # Quotients, so that a score of 0.3 is exactly the bound 0.3.
    bounds = np.arange(_BINS + 1) / _BINS
    places = np.clip(np.digitize(scores, bounds) - 1, 0, _BINS - 1)
    flags = np.array([right[criterion] for criterion in right]).reshape(len(right), -1)
    bins = tuple(
        _bin(bounds[place : place + 2], scores[places == place], flags[:, places == place])
        for place in range(_BINS)
    )
    return Calibration(
        of=of,
        criteria=tuple(right),
        bins=bins,
        expected_errors=tuple(_expected_error(bins, place) for place in range(len(right))),
    )


def _bin(bounds: Floats, scores: Floats, right: Flags) -> CalibrationBin:
    low, high = bounds.tolist()
    if not len(scores):
        return CalibrationBin(low, high, 0, None, (None,) * len(right))
    rates = tuple(float(rate) for rate in right.mean(axis=1))
    return CalibrationBin(low, high, len(scores), float(scores.mean()), rates)


def _expected_error(bins: tuple[CalibrationBin, ...], criterion: int) -> float | None:
    distances: list[float] = []
    for one in bins:
        rate = one.rates[criterion]
        if one.mean_score is not None and rate is not None:
            distances.append(one.count * abs(one.mean_score - rate))
    total = sum(one.count for one in bins)
    return sum(distances) / total if total else None
