"""What an analysis found, as values: `training.analysis.analyse` makes them, pages show them.

Similarity is OKS for keypoint networks and IoU for detectors; `Analysis.similarity` says which. A
person of the truth is *found* at a threshold if COCO's matching (greedy, best score first) gives it
an answer of at least that similarity. A figure that nobody or nothing decides is None.
"""

from dataclasses import dataclass
from typing import Literal

Similarity = Literal["OKS", "IoU"]
JointError = Literal["good", "jitter", "inversion", "swap", "miss"]
"""What became of a labelled joint; see `training.analysis.joint_errors`."""
PersonError = Literal["missed_person", "background", "duplicate", "poor_box"]
"""People whom nobody found, and answers that are wrong as a whole.

See `training.analysis.person_errors`.
"""
JOINT_ERRORS: tuple[JointError, ...] = ("good", "jitter", "inversion", "swap", "miss")
PERSON_ERRORS: tuple[PersonError, ...] = ("missed_person", "background", "duplicate", "poor_box")


@dataclass(frozen=True, slots=True)
class JointFigures:
    """How well one joint is found.

    Attributes:
        name: of the joint.
        labelled: people whose joint is labelled.
        ap: AP over OKS 0.50:0.95 where this joint alone is labelled; the person's score ranks.
        pck_005: PCK@0.05: share of the labelled joints within 0.05 times the longer side of the
            person's box; joints of people who were not found count as wrong.
        pck_020: PCK@0.2, the same within 0.20.
        mean_error: mean distance to the truth in longer sides of the box, over people found.
        errors: what became of the labelled joints of people found, by kind, among the answers that
            `ErrorCounts` counts.
    """

    name: str
    labelled: int
    ap: float | None
    pck_005: float | None
    pck_020: float | None
    mean_error: float | None
    errors: dict[JointError, int]


@dataclass(frozen=True, slots=True)
class Group:
    """People who have something in common.

    Attributes:
        name: such as `64-128 px`.
        people: of the truth.
        ap: AP over 0.50:0.95 with everyone else ignored; None where answers cannot be told apart in
            this way (by labelled joints, by overlap).
        mean_similarity: to the answer that was for them, or found them at 0.1; else 0.
        recall_50: share found at 0.50.
        recall_75: share found at 0.75.
    """

    name: str
    people: int
    ap: float | None
    mean_similarity: float | None
    recall_50: float | None
    recall_75: float | None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Answers whose scores lie in `[low, high)`, the last bin including 1.

    Attributes:
        low: bound of the score.
        high: bound of the score.
        count: of answers.
        mean_score: of them; None without answers.
        rates: share that was right, one for each of `Calibration.criteria`; None without answers.
    """

    low: float
    high: float
    count: int
    mean_score: float | None
    rates: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a score is the probability of being right.

    Attributes:
        of: what has the score: `person` or `joint`.
        criteria: what counts as right, such as `OKS 0.50` or `PCK 0.05`.
        bins: ten of equal width.
        expected_errors: for each criterion the expected calibration error: the mean distance of
            score and rate of the bins, weighted by their counts; None without answers.
    """

    of: Literal["person", "joint"]
    criteria: tuple[str, ...]
    bins: tuple[CalibrationBin, ...]
    expected_errors: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """COCO's interpolated curve at one similarity.

    Attributes:
        threshold: of similarity, 0.50 or 0.75.
        ap: area under the curve.
        recall: 101 values 0.00, 0.01 ... 1.00.
        precision: the best at that recall or beyond; 0 where it is not reached.
        score: at which the recall is reached; 0 where it is not.
    """

    threshold: float
    ap: float
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    score: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What `min_person_score` gives, with answers right at a similarity of 0.50.

    Attributes:
        min_score: answers below are left out.
        answers: that are left; those that match ignored people (crowds, unlabelled) do not count.
        precision: share of the answers that are right; None without answers.
        recall: share of the people found.
        f1: harmonic mean of both; 0 if either is 0.
    """

    min_score: float
    answers: int
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Kinds of errors among the answers with at least a score.

    Attributes:
        min_score: answers below were left out; 0 for boxes of the truth.
        joints: labelled joints of people found, by kind; empty for a detector.
        people: errors by kind; empty for boxes of the truth, where everyone has one answer.
        ap_gains: what AP would gain if one kind of error were mended alone: wrong joints or boxes
            put where they belong, false answers left out, missed people not asked for, and `score`
            if every answer's score were its similarity to the truth.
    """

    min_score: float
    joints: dict[JointError, int]
    people: dict[PersonError, int]
    ap_gains: dict[str, float]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that an average precision does not tell.

    Attributes:
        similarity: OKS, or IoU for a detector.
        joints: in the skeleton's order; empty for a detector.
        sizes: by height of the person's box in pixels of the stored picture.
        visibility: by number of labelled joints; empty for a detector.
        crowding: by the largest IoU with another person's box.
        person_calibration: of the person's score.
        joint_calibration: of the joints' scores, in people found; None for a detector.
        curves: at 0.50 and 0.75.
        operating_points: at scores 0.00, 0.05 ... 0.95.
        best: the operating point with the highest F1.
        errors: by kind.
    """

    similarity: Similarity
    joints: tuple[JointFigures, ...]
    sizes: tuple[Group, ...]
    visibility: tuple[Group, ...]
    crowding: tuple[Group, ...]
    person_calibration: Calibration
    joint_calibration: Calibration | None
    curves: tuple[PrecisionRecall, ...]
    operating_points: tuple[OperatingPoint, ...]
    best: OperatingPoint
    errors: ErrorCounts
