"""People of the truth beside the answers that are about them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.inference.oks import joint_similarities
from service.inference.types import Floats
from training.coco_tool import Flags, Matches, Places
from training.comparison import Comparison, Entry

LEAST_SIMILARITY = 0.1
"""An answer further away is about nobody. Source: Ronchi and Perona 2017, section 4.1."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """P people and what was answered about them.

    Attributes:
        annotations: `[P]`, their places in the truth.
        results: `[P]`, the places of the answers.
        scores: `[P]`, of the answers.
        truth: `[P, K, 3]`: x, y in pixels of the picture, visibility 0 (no label), 1 or 2.
        found: `[P, K, 3]`: x, y, score.
        similarities: `[P, K]`, of the joints; those of joints without label mean nothing.
        sides_px: `[P]`, the longer side of the true box.
    """

    annotations: Places
    results: Places
    scores: Floats
    truth: Floats
    found: Floats
    similarities: Floats
    sides_px: Floats

    @property
    def labelled(self) -> Flags:
        """Which joints have a label, `[P, K]`."""
        return self.truth[..., 2] > 0

    @property
    def oks(self) -> Floats:
        """The similarity of the labelled joints, `[P]`."""
        total = np.sum(self.similarities, axis=1, where=self.labelled)
        return total / self.labelled.sum(axis=1)

    @property
    def distances(self) -> Floats:
        """Of the joints to their truth in longer sides of the box, `[P, K]`."""
        distances_px = np.linalg.norm(self.found[..., :2] - self.truth[..., :2], axis=-1)
        return distances_px / self.sides_px[:, np.newaxis]


def pair(comparison: Comparison, loose: Matches, asked: Places | None) -> Pairs:
    """The people that were found, and the answers.

    Args:
        comparison: of joints.
        loose: who found whom at `LEAST_SIMILARITY`.
        asked: whom each result is for, where that is known; else it is whom it found.
    """
    if asked is None:
        results = np.flatnonzero(loose.counts & (loose.person >= 0))
        annotations = loose.person[results]
    else:
        results, annotations = np.arange(len(asked)), asked
    sigmas = _sigmas(comparison)
    expected = [comparison.expected[int(place)] for place in annotations]
    answers = [comparison.found[int(place)] for place in results]
    truth, found = joints_of(expected, len(sigmas)), joints_of(answers, len(sigmas))
    similarities = [
        joint_similarities(a[:, :2], b[:, :2], entry["area"], sigmas)
        for a, b, entry in zip(truth, found, expected, strict=True)
    ]
    return Pairs(
        annotations=annotations,
        results=results,
        scores=np.array([entry["score"] for entry in answers], float),
        truth=truth,
        found=found,
        similarities=np.array(similarities).reshape(-1, len(sigmas)),
        sides_px=np.array([max(*entry["bbox"][2:], 1.0) for entry in expected], float),
    )


def with_score(pairs: Pairs, min_score: float) -> Pairs:
    """Those whose answers have at least a score."""
    kept = pairs.scores >= min_score
    return Pairs(
        pairs.annotations[kept],
        pairs.results[kept],
        pairs.scores[kept],
        pairs.truth[kept],
        pairs.found[kept],
        pairs.similarities[kept],
        pairs.sides_px[kept],
    )


def joints_of(entries: Sequence[Entry], joints: int) -> npt.NDArray[np.float64]:
    """The keypoints of COCO entries, `[P, K, 3]`."""
    flat = [entry["keypoints"] for entry in entries]
    return np.array(flat, np.float64).reshape(-1, joints, 3)


def _sigmas(comparison: Comparison) -> Floats:
    if comparison.sigmas is None:
        raise TypeError("boxes have no joints")
    return comparison.sigmas
