"""Which people and answers went wrong most, by kind of error."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from training.analysis.errors import Errors
from training.analysis.joint_errors import GOOD, UNLABELLED
from training.analysis.results import JOINT_ERRORS, JointError, PersonError
from training.coco_tool import Places
from training.measure import Measurement


@dataclass(frozen=True, slots=True)
class Case:
    """A person or an answer that went wrong.

    Attributes:
        kind: of error; of the joints' kinds the one that costs this person most.
        annotation: place of the person in the truth's annotations; None for an answer alone.
        result: place of the answer in the results; None for a person whom nobody found.
        similarity: of both: OKS, or IoU for a detector; of a duplicate to the nearest person; None
            for a person whom nobody found.
        joints: what became of each joint, None without label; empty for errors of whole people.
    """

    kind: JointError | PersonError
    annotation: int | None
    result: int | None
    similarity: float | None
    joints: tuple[JointError | None, ...] = ()


def worst_cases(
    measurement: Measurement, errors: Errors, *, most: int = 20
) -> dict[JointError | PersonError, list[Case]]:
    """For each kind of error the worst cases first; kinds without any are left out.

    Answers are sorted by their similarity to the truth, false ones by their score, missed people by
    the size of their boxes.

    Args:
        measurement: in which the errors are.
        errors: of `find_errors`.
        most: of each kind.
    """
    cases = [*_wrong_joints(errors), *_wrong_people(measurement, errors)]
    sorted_cases: dict[JointError | PersonError, list[Case]] = {}
    for case in cases:
        sorted_cases.setdefault(case.kind, []).append(case)
    order = _order(measurement)
    return {kind: sorted(found, key=order)[:most] for kind, found in sorted_cases.items()}


def _wrong_joints(errors: Errors) -> Iterator[Case]:
    if errors.pairs is None or errors.kinds is None:
        return
    rows = zip(
        errors.pairs.annotations.tolist(),
        errors.pairs.results.tolist(),
        errors.pairs.oks.tolist(),
        errors.kinds,
        1 - errors.pairs.similarities,
        strict=True,
    )
    for annotation, result, oks, kinds, lost in rows:
        costs = [float(lost[kinds == kind].sum()) for kind in range(len(JOINT_ERRORS))]
        costs[GOOD] = 0
        if max(costs) > 0:
            worst = JOINT_ERRORS[int(np.argmax(costs))]
            yield Case(worst, annotation, result, oks, joint_kinds(kinds))


def joint_kinds(kinds: Places) -> tuple[JointError | None, ...]:
    """What became of each joint of one person `[K]`, by name; None without label."""
    return tuple(None if kind == UNLABELLED else JOINT_ERRORS[int(kind)] for kind in kinds)


def _wrong_people(measurement: Measurement, errors: Errors) -> Iterator[Case]:
    if errors.persons is None:
        return
    loose = errors.loose
    for place in errors.persons.missed.tolist():
        yield Case("missed_person", place, None, None)
    for place in errors.persons.background.tolist():
        yield Case("background", None, place, float(loose.nearest[place]))
    for place in errors.persons.duplicates.tolist():
        yield Case("duplicate", None, place, float(loose.nearest[place]))
    if measurement.comparison.sigmas is None:
        for place in errors.persons.poor_boxes.tolist():
            person = int(loose.person[place])
            yield Case("poor_box", person, place, float(loose.similarity[place]))


def _order(measurement: Measurement) -> Callable[[Case], float]:
    """The smaller, the worse."""

    def badness(case: Case) -> float:
        if case.result is None:
            _, _, width, height = measurement.data.document["annotations"][case.annotation]["bbox"]
            return -width * height
        if case.annotation is None:
            return -measurement.results[case.result]["score"]
        return case.similarity or 0.0

    return badness
