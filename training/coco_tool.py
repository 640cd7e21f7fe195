"""Runs COCO's own evaluation (pycocotools) on a `Comparison`."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from service.inference.types import Floats
from training.comparison import Comparison, Entry

Places = npt.NDArray[np.int64]
"""Integer array of places in a sequence; -1 stands for none."""
Flags = npt.NDArray[np.bool_]

_PERSON = 1
_EVERY_SIZE = (0.0, 1e10)
_NOBODY = -1.0


@dataclass(frozen=True, slots=True)
class Matches:
    """COCO's matching at one similarity, for A annotations and R results.

    Attributes:
        person: `[R]`, the annotation that a result found, or -1.
        result: `[A]`, the result that found an annotation, or -1.
        similarity: `[R]`, to the person found; 0 without.
        nearest: `[R]`, the largest similarity to anybody who is expected.
        counts: `[R]`, whether a result is right or wrong: not if it found somebody who is ignored,
            or is beyond the best of its picture (20 people, 100 boxes).
        expected: `[A]`, whether an annotation is to be found.
    """

    person: Places
    result: Places
    similarity: Floats
    nearest: Floats
    counts: Flags
    expected: Flags


@dataclass(frozen=True, slots=True)
class Curve:
    """COCO's interpolated precision at one similarity: precision and score at 101 recalls."""

    recall: Floats
    precision: Floats
    score: Floats


def coco_figures(comparison: Comparison) -> list[float]:
    """What `COCOeval.summarize` gives: ten figures for joints, twelve for boxes; -1 for no one."""
    evaluation = _evaluated(comparison)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
        evaluation.summarize()
    return [float(figure) for figure in evaluation.stats]


def average_precision(comparison: Comparison) -> float | None:
    """AP over 0.50:0.95 for people of every size; None if nobody is to be found."""
    evaluation = _evaluated(comparison, every_size=True)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    mean = float(evaluation.eval["precision"][..., -1].mean())
    return None if mean == _NOBODY else mean


def precision_curves(comparison: Comparison, thresholds: Sequence[float]) -> list[Curve]:
    """The curve at each similarity, for people of every size; precision -1 if there is nobody."""
    evaluation = _evaluated(comparison, thresholds, every_size=True)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    # [T, 101, category, size, number of answers]
    precision, score = (evaluation.eval[name][:, :, 0, 0, -1] for name in ("precision", "scores"))
    recall = np.array(evaluation.params.recThrs)
    return [Curve(recall, *rows) for rows in zip(precision, score, strict=True)]


def match(comparison: Comparison, thresholds: Sequence[float]) -> list[Matches]:
    """Who found whom: the best answer first takes the most similar person who is still free."""
    evaluation = _evaluated(comparison, thresholds, every_size=True)
    expected, found = len(comparison.expected), len(comparison.found)
    matches = [
        Matches(
            person=np.full(found, -1),
            result=np.full(expected, -1),
            similarity=np.zeros(found),
            nearest=np.zeros(found),
            counts=np.zeros(found, bool),
            expected=np.zeros(expected, bool),
        )
        for _ in thresholds
    ]
    for picture in filter(None, evaluation.evalImgs):
        similarities = evaluation.ious[picture["image_id"], _PERSON]
        for index, one in enumerate(matches):
            _take_picture(one, picture, np.array(similarities), index)
    return matches


def box_overlaps(a: Floats, b: Floats) -> Floats:
    """Intersection over union `[M, N]` of boxes `[M, 4]` and `[N, 4]`: x, y, width, height."""
    overlaps: Any = mask.iou(a.reshape(-1, 4), b.reshape(-1, 4), [0] * len(b))
    return np.array(overlaps, float).reshape(len(a), len(b))


def _take_picture(
    matches: Matches, picture: dict[str, Any], similarities: Floats, index: int
) -> None:
    """Fills in one picture, whose entries COCOeval numbers from 1."""
    results: Places = np.array(picture["dtIds"], int) - 1
    # The columns of the similarities are in the order of the ids, these are not.
    order = np.argsort(picture["gtIds"])
    annotations: Places = np.array(picture["gtIds"], int)[order] - 1
    expected = ~np.array(picture["gtIgnore"], bool)[order]
    person: Places = picture["dtMatches"][index].astype(int) - 1
    matches.person[results] = person
    matches.result[annotations] = picture["gtMatches"][index].astype(int)[order] - 1
    matches.counts[results] = ~picture["dtIgnore"][index]
    matches.expected[annotations] = expected
    if not similarities.size:
        return
    matches.nearest[results] = similarities[:, expected].max(axis=1, initial=0)
    rows = np.flatnonzero(person >= 0)
    columns = np.searchsorted(annotations, person[rows])
    matches.similarity[results[rows]] = similarities[rows, columns]


def _evaluated(
    comparison: Comparison,
    thresholds: Sequence[float] | None = None,
    *,
    every_size: bool = False,
) -> Any:
    kind = "bbox" if comparison.sigmas is None else "keypoints"
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation: Any = COCOeval(
            _index(comparison, comparison.expected), _index(comparison, comparison.found), kind
        )
        if comparison.sigmas is not None:
            evaluation.params.kpt_oks_sigmas = comparison.sigmas
        if thresholds is not None:
            evaluation.params.iouThrs = np.array(thresholds)
        if every_size:
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [_EVERY_SIZE], ["all"]
        evaluation.evaluate()
    return evaluation


def _index(comparison: Comparison, entries: Sequence[Entry]) -> Any:
    """The tool's own document; ids start at 1, since it takes a match with id 0 for no match."""
    coco: Any = COCO()
    coco.dataset = {
        "images": [{"id": image_id} for image_id in comparison.image_ids],
        "categories": [{"id": _PERSON, "name": "person"}],
        "annotations": [
            entry | {"id": number, "category_id": _PERSON}
            for number, entry in enumerate(entries, start=1)
        ],
    }
    coco.createIndex()
    return coco
