"""What average precision would gain if one kind of error were mended."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from service.inference.types import Floats
from training.analysis.joint_errors import GOOD
from training.analysis.pairs import Pairs
from training.analysis.person_errors import PersonErrors
from training.analysis.results import JOINT_ERRORS
from training.coco_tool import Flags, Matches, Places, average_precision
from training.comparison import Comparison, Entry, without_people


def joint_gains(
    comparison: Comparison, before: float, pairs: Pairs, kinds: Places
) -> dict[str, float]:
    """For each kind of wrong joint: the gain if all of them were on the truth.

    Args:
        comparison: of joints.
        before: its AP.
        pairs: P people and their answers.
        kinds: `[P, K]`, places in `JOINT_ERRORS`.

    Source: Ronchi and Perona 2017, section 4.1, who move a joint only as far as its kind allows.
    """
    mended = {
        name: _with_true_joints(comparison, pairs, kinds == place)
        for place, name in enumerate(JOINT_ERRORS)
        if place != GOOD
    }
    return _gains(before, mended)


def person_gains(
    comparison: Comparison, before: float, errors: PersonErrors, loose: Matches
) -> dict[str, float]:
    """For each kind of `PersonError`: the gain without them."""
    expected, found = list(comparison.expected), list(comparison.found)
    for place in map(int, errors.missed):
        expected[place] = without_people(expected[place])
    mended = {
        "missed_person": replace(comparison, expected=tuple(expected)),
        "background": _without_answers(comparison, errors.background),
        "duplicate": _without_answers(comparison, errors.duplicates),
    }
    if comparison.sigmas is None:
        for place in errors.poor_boxes.tolist():
            truth = comparison.expected[int(loose.person[place])]
            found[place] = found[place] | {"bbox": truth["bbox"], "area": truth["area"]}
        mended["poor_box"] = replace(comparison, found=tuple(found))
    return _gains(before, mended)


def score_gain(comparison: Comparison, before: float, loose: Matches) -> dict[str, float]:
    """The gain if every answer's score were its similarity to the truth."""
    best: Floats = np.maximum(loose.nearest, loose.similarity)
    found = [
        entry | {"score": score}
        for entry, score in zip(comparison.found, best.tolist(), strict=True)
    ]
    return _gains(before, {"score": replace(comparison, found=tuple(found))})


def _gains(before: float, mended: Mapping[str, Comparison]) -> dict[str, float]:
    afterwards = {name: average_precision(comparison) for name, comparison in mended.items()}
    # Where nobody is left to be found there is nothing to gain.
    return {name: 0.0 if after is None else after - before for name, after in afterwards.items()}


def _without_answers(comparison: Comparison, places: Places) -> Comparison:
    left_out = set(places.tolist())
    kept = [entry for place, entry in enumerate(comparison.found) if place not in left_out]
    return replace(comparison, found=tuple(kept))


def _with_true_joints(comparison: Comparison, pairs: Pairs, wrong: Flags) -> Comparison:
    found: list[Entry] = list(comparison.found)
    for row, place in enumerate(pairs.results.tolist()):
        joints = pairs.found[row].copy()
        joints[wrong[row], :2] = pairs.truth[row, wrong[row], :2]
        found[place] = found[place] | {"keypoints": joints.ravel().tolist()}
    return replace(comparison, found=tuple(found))
