"""From a measurement to its analysis."""

from dataclasses import replace

import numpy as np

from service.inference.errors import InvalidInput
from service.inference.types import Floats
from training.analysis.calibration import calibrate
from training.analysis.errors import Errors, find_errors, pairs_of, scores_of
from training.analysis.gains import joint_gains, person_gains, score_gain
from training.analysis.groups import Reached, by_height, by_labelled_joints, by_overlap, reached
from training.analysis.joints import PCK_THRESHOLDS, joint_figures
from training.analysis.operating_points import best_point, operating_points
from training.analysis.pairs import LEAST_SIMILARITY, Pairs
from training.analysis.results import (
    Analysis,
    Calibration,
    ErrorCounts,
    OperatingPoint,
    PrecisionRecall,
    Similarity,
)
from training.coco_tool import Matches, match, precision_curves
from training.measure import Measurement

_CURVES = (0.5, 0.75)


def analyse(measurement: Measurement, *, min_score: float | None = None) -> Analysis:
    """What stands behind the figures of a measurement.

    Args:
        measurement: by `measure_keypoints`, `measure_pipeline` or `measure_detector`.
        min_score: kinds of errors are told for answers with at least this score; None takes 0 for
            boxes of the truth, else the score with the best F1.

    Raises:
        InvalidInput: `min_score` is outside 0..1.
    """
    comparison = measurement.comparison
    similarity: Similarity = "IoU" if comparison.sigmas is None else "OKS"
    scores = scores_of(measurement)
    loose, at_50, at_75 = match(comparison, (LEAST_SIMILARITY, *_CURVES))
    points = operating_points(at_50, scores)
    errors = find_errors(measurement, _min_score(measurement, points, min_score))
    pairs = pairs_of(measurement, loose)
    people = _reached(measurement, pairs, reached(loose, at_50, at_75))
    joints = visibility = ()
    if pairs is not None and errors.kinds is not None:
        names = measurement.data.skeleton.names
        joints = joint_figures(comparison, names, loose.expected, pairs, errors.kinds)
        visibility = by_labelled_joints(comparison, len(names), people)
    return Analysis(
        similarity=similarity,
        joints=joints,
        sizes=by_height(comparison, _heights(measurement), people),
        visibility=visibility,
        crowding=by_overlap(comparison, people),
        person_calibration=_person_calibration(similarity, scores, at_50, at_75),
        joint_calibration=None if pairs is None else _joint_calibration(pairs),
        curves=_precision_recall(measurement),
        operating_points=points,
        best=best_point(points),
        errors=_counted(measurement, errors),
    )


def _min_score(
    measurement: Measurement, points: tuple[OperatingPoint, ...], asked: float | None
) -> float:
    if asked is None:
        return best_point(points).min_score if measurement.asked is None else 0.0
    if not 0 <= asked <= 1:
        raise InvalidInput(f"min_person_score is {asked}; expected a number in 0..1")
    return asked


def _reached(measurement: Measurement, pairs: Pairs | None, people: Reached) -> Reached:
    """Where it is known whom an answer is for, the similarity to that person counts."""
    if pairs is None or measurement.asked is None:
        return people
    similarity = np.zeros_like(people.similarity)
    similarity[pairs.annotations] = pairs.oks
    return replace(people, similarity=similarity)


def _heights(measurement: Measurement) -> Floats:
    return np.array([result["bbox"][3] for result in measurement.results], float)


def _person_calibration(
    similarity: Similarity, scores: Floats, at_50: Matches, at_75: Matches
) -> Calibration:
    counts = at_50.counts
    matches = zip(_CURVES, (at_50, at_75), strict=True)
    right = {f"{similarity} {least:.2f}": one.person[counts] >= 0 for least, one in matches}
    return calibrate("person", scores[counts], right)


def _joint_calibration(pairs: Pairs) -> Calibration:
    labelled, distances = pairs.labelled, pairs.distances
    right = {f"PCK@{most:g}": distances[labelled] <= most for most in PCK_THRESHOLDS}
    return calibrate("joint", pairs.found[labelled][:, 2], right)


def _precision_recall(measurement: Measurement) -> tuple[PrecisionRecall, ...]:
    curves = precision_curves(measurement.comparison, _CURVES)
    # COCO's -1 says that there was nobody to find.
    return tuple(
        PrecisionRecall(
            threshold=threshold,
            ap=max(float(curve.precision.mean()), 0.0),
            recall=tuple(curve.recall.round(2).tolist()),
            precision=tuple(curve.precision.clip(0).tolist()),
            score=tuple(curve.score.clip(0).tolist()),
        )
        for threshold, curve in zip(_CURVES, curves, strict=True)
    )


def _counted(measurement: Measurement, errors: Errors) -> ErrorCounts:
    comparison = measurement.comparison
    before = measurement.evaluation.metrics["AP"]
    gains: dict[str, float] = {}
    if errors.pairs is not None and errors.kinds is not None:
        gains |= joint_gains(comparison, before, errors.pairs, errors.kinds)
    if errors.persons is not None:
        gains |= person_gains(comparison, before, errors.persons, errors.loose)
    return ErrorCounts(
        min_score=errors.min_score,
        joints=errors.joint_counts(),
        people=errors.person_counts(),
        ap_gains=gains | score_gain(comparison, before, errors.loose),
    )
