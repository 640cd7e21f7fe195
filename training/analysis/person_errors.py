"""People whom nobody found, and answers that are wrong as a whole."""

from dataclasses import dataclass

import numpy as np

from service.inference.types import Floats
from training.analysis.results import PersonError
from training.coco_tool import Matches, Places

_SAME_PERSON = 0.5


@dataclass(frozen=True, slots=True)
class PersonErrors:
    """Where they are; the arrays hold places.

    Attributes:
        missed: in the truth's annotations: nobody was found there at a similarity of 0.1.
        background: in the results: they found nobody.
        duplicates: in the results: they are at least 0.5 like a person whom a better one found.
        poor_boxes: in the results: they found somebody, but below 0.5.
    """

    missed: Places
    background: Places
    duplicates: Places
    poor_boxes: Places

    def counts(self, *, boxes: bool) -> dict[PersonError, int]:
        """How many of each; poor boxes only where boxes, not joints, are compared."""
        counts: dict[PersonError, int] = {
            "missed_person": len(self.missed),
            "background": len(self.background),
            "duplicate": len(self.duplicates),
        }
        if boxes:
            counts["poor_box"] = len(self.poor_boxes)
        return counts


def person_errors(loose: Matches, scores: Floats, min_score: float) -> PersonErrors:
    """The errors among answers with at least a score.

    Args:
        loose: who found whom at a similarity of 0.1.
        scores: of the results.
        min_score: answers below are left out, and so is who they found.

    Source: Ronchi and Perona 2017, section 3.3; Bolya et al. 2020 (TIDE), section 2.2.
    """
    shown = loose.counts & (scores >= min_score)
    false = shown & (loose.person < 0)
    twice = loose.nearest >= _SAME_PERSON
    found = np.zeros(len(loose.expected), bool)
    found[loose.person[shown & (loose.person >= 0)]] = True
    poor = shown & (loose.person >= 0) & (loose.similarity < _SAME_PERSON)
    return PersonErrors(
        missed=np.flatnonzero(loose.expected & ~found),
        background=np.flatnonzero(false & ~twice),
        duplicates=np.flatnonzero(false & twice),
        poor_boxes=np.flatnonzero(poor),
    )
