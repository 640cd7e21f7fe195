"""Where the errors of a measurement are."""

from dataclasses import dataclass

import numpy as np

from service.inference.types import Floats
from training.analysis.joint_errors import count_joint_errors, joint_errors
from training.analysis.pairs import LEAST_SIMILARITY, Pairs, pair, with_score
from training.analysis.person_errors import PersonErrors, person_errors
from training.analysis.results import JointError, PersonError
from training.coco_tool import Matches, Places, match
from training.measure import Measurement


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors among the answers with at least a score.

    Attributes:
        min_score: answers below are left out.
        pairs: people and the answers about them; None for a detector.
        kinds: `[P, K]`, what became of their joints; None for a detector.
        persons: errors of whole people; None for boxes of the truth.
        loose: who found whom at a similarity of 0.1, whatever the score.
    """

    min_score: float
    pairs: Pairs | None
    kinds: Places | None
    persons: PersonErrors | None
    loose: Matches

    def joint_counts(self) -> dict[JointError, int]:
        """How many joints became what; empty for a detector."""
        return {} if self.kinds is None else count_joint_errors(self.kinds)

    def person_counts(self) -> dict[PersonError, int]:
        """How many of each kind; empty for boxes of the truth."""
        return {} if self.persons is None else self.persons.counts(boxes=self.pairs is None)


def find_errors(measurement: Measurement, min_score: float) -> Errors:
    """Where the errors of a measurement are, among answers with at least a score."""
    comparison = measurement.comparison
    (loose,) = match(comparison, (LEAST_SIMILARITY,))
    persons = None
    if measurement.asked is None:
        persons = person_errors(loose, scores_of(measurement), min_score)
    pairs = pairs_of(measurement, loose)
    if pairs is None:
        return Errors(min_score, None, None, persons, loose)
    pairs = with_score(pairs, min_score)
    kinds = joint_errors(pairs, comparison, measurement.data.skeleton.flip_order())
    return Errors(min_score, pairs, kinds, persons, loose)


def pairs_of(measurement: Measurement, loose: Matches) -> Pairs | None:
    """People and the answers about them, whatever their score; None for a detector."""
    if measurement.comparison.sigmas is None:
        return None
    asked = None if measurement.asked is None else np.array(measurement.asked, int)
    return pair(measurement.comparison, loose, asked)


def scores_of(measurement: Measurement) -> Floats:
    """The score of each result."""
    return np.array([result["score"] for result in measurement.results], float)
