"""Checks for labels that can be read but look wrong beside those of everyone else."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from service.inference.card import Skeleton
from service.inference.oks import oks
from service.inference.types import Box, Floats
from training.data.checks_people import CheckedPerson, Flags
from training.data.checks_sides import mirrored_faces, swapped_pairs
from training.data.findings import Findings, Id

_MIN_JOINTS = 5
_ONE_POINT_PX = 1.0
_SMALL_PART_OF_BOX = 0.35
_BOX_MARGIN = 0.1
_LONG_EDGE = 3.0
_SAME_BOX_IOU = 0.9
_SAME_POSE_OKS = 0.9

Suspicion = tuple[int, float, str]
"""Number of the person, how suspicious (more is worse), and a detail in words."""


def check_labels(
    people: Sequence[CheckedPerson], skeleton: Skeleton | None, findings: Findings
) -> None:
    """Warns of joints, boxes and sides that are improbable; the worst of each kind come first."""
    # Numbers may be absurdly large: then they are found, without a complaint of numpy's.
    with np.errstate(all="ignore"):
        _check_labels(people, skeleton, findings)


def _check_labels(
    people: Sequence[CheckedPerson], skeleton: Skeleton | None, findings: Findings
) -> None:
    single = [person for person in people if not person.crowd]
    _report(single, _twice(single, skeleton), "a person is annotated twice", findings)
    labelled = [person for person in single if person.joints is not None]
    _report(labelled, _one_point(labelled), "all joints of a person lie at one point", findings)
    message = "a box is much larger than the joints in it: is it the box of someone else?"
    _report(labelled, _large_boxes(labelled), message, findings)
    message = "half of a person's joints or more lie outside the box"
    _report(labelled, _joints_outside(labelled), message, findings)
    if skeleton is None or not labelled:
        return
    joints = np.stack([person.joints for person in labelled if person.joints is not None])
    message = "two joints of a person are three times as far apart as the rest of the body suggests"
    _report(labelled, _long_edges(joints, labelled, skeleton), message, findings)
    message = "left and right of some joints look swapped: they point against the other pairs"
    _report(labelled, swapped_pairs(joints, _sides_px(labelled), skeleton), message, findings)
    message = "left and right of a person look swapped: a face to the camera has its left eye right"
    _report(labelled, mirrored_faces(joints, _sides_px(labelled), skeleton), message, findings)


def _report(
    people: Sequence[CheckedPerson],
    suspicions: Iterable[Suspicion],
    message: str,
    findings: Findings,
) -> None:
    for number, _, detail in sorted(suspicions, key=lambda one: -one[1]):
        findings.add("warning", message, people[number].place.with_detail(detail))


def _twice(people: Sequence[CheckedPerson], skeleton: Skeleton | None) -> list[Suspicion]:
    in_picture: dict[Id, list[int]] = {}
    for number, person in enumerate(people):
        in_picture.setdefault(person.image, []).append(number)
    return [
        (second, likeness, f"as {people[first].place.text}")
        for numbers in in_picture.values()
        for first, second in combinations(numbers, 2)
        if (likeness := _likeness(people[first], people[second], skeleton)) > 0
    ]


def _likeness(a: CheckedPerson, b: CheckedPerson, skeleton: Skeleton | None) -> float:
    """How far two people are one, by joints where both have enough, else by boxes; 0 if not."""
    if a.box is None or b.box is None:
        return 0.0
    overlap = _iou(a.box, b.box)
    if overlap == 0:
        return 0.0
    if a.joints is not None and b.joints is not None and skeleton is not None:
        common = (a.joints[:, 2] > 0) & (b.joints[:, 2] > 0)
        if common.sum() >= _MIN_JOINTS:
            area = (_area(a.box) + _area(b.box)) / 2
            sigmas = np.array(skeleton.sigmas)[common]
            alike = oks(a.joints[common, :2], b.joints[common, :2], area, sigmas)
            return alike if alike >= _SAME_POSE_OKS else 0.0
    return overlap if overlap >= _SAME_BOX_IOU else 0.0


def _iou(a: Box, b: Box) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (_area(a) + _area(b) - shared)


def _area(box: Box) -> float:
    return box.width * box.height


def _one_point(people: Sequence[CheckedPerson]) -> list[Suspicion]:
    found: list[Suspicion] = []
    for number, person in enumerate(people):
        points = _labelled_points(person)
        if len(points) > 2 and float(np.ptp(points, axis=0).max()) < _ONE_POINT_PX:
            x, y = points[0].tolist()
            found.append((number, len(points), f"{len(points)} joints at ({x:g}, {y:g})"))
    return found


def _large_boxes(people: Sequence[CheckedPerson]) -> list[Suspicion]:
    found: list[Suspicion] = []
    for number, person in enumerate(people):
        points = _labelled_points(person)
        if person.box is None or len(points) < max(_MIN_JOINTS, 0.6 * _count(person)):
            continue
        width, height = np.ptp(points, axis=0).tolist()
        part = max(width / person.box.width, height / person.box.height)
        if part < _SMALL_PART_OF_BOX:
            detail = f"the joints take {part:.0%} of its sides"
            found.append((number, 1 - part, detail))
    return found


def _joints_outside(people: Sequence[CheckedPerson]) -> list[Suspicion]:
    found: list[Suspicion] = []
    for number, person in enumerate(people):
        points = _labelled_points(person)
        if person.box is None or len(points) < _MIN_JOINTS:
            continue
        low = np.array([person.box.x0, person.box.y0])
        sides = np.array([person.box.width, person.box.height])
        place = (points - low) / sides
        outside = int(((place < -_BOX_MARGIN) | (place > 1 + _BOX_MARGIN)).any(axis=1).sum())
        if 2 * outside >= len(points):
            detail = f"{outside} of {len(points)} joints"
            found.append((number, outside / len(points), detail))
    return found


def _long_edges(
    joints: Floats, people: Sequence[CheckedPerson], skeleton: Skeleton
) -> list[Suspicion]:
    """Edges against the person's own scale: by the median lengths of everyone, in box sides."""
    edges = np.array(skeleton.edges, int).reshape(-1, 2)
    ends = joints[:, edges]
    seen: Flags = (ends[:, :, 0, 2] > 0) & (ends[:, :, 1, 2] > 0)
    lengths = np.linalg.norm(ends[:, :, 0, :2] - ends[:, :, 1, :2], axis=2)
    relative = lengths / _sides_px(people)[:, None]
    usual = np.array([_median(relative[seen[:, i], i]) for i in range(len(edges))])
    found: list[Suspicion] = []
    for number in np.flatnonzero(seen.sum(axis=1) >= _MIN_JOINTS).tolist():
        known: Flags = seen[number] & (usual > 0)
        ratios = np.where(known, relative[number] / np.where(usual > 0, usual, 1), 0)
        scale = float(np.quantile(ratios[known], 0.75)) if known.any() else 0.0
        worst = int(ratios.argmax())
        if scale > 0 and ratios[worst] > _LONG_EDGE * scale:
            times = float(ratios[worst] / scale)
            ends_of = " to ".join(skeleton.names[end] for end in skeleton.edges[worst])
            found.append((number, times, f"{ends_of} is {times:.1f} times as long as expected"))
    return found


def _median(values: npt.NDArray[np.floating]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _sides_px(people: Sequence[CheckedPerson]) -> Floats:
    """Side of a square with the area of each person's box, or of the joints' without one."""
    return np.array([max(_side_px(person), 1.0) for person in people])


def _side_px(person: CheckedPerson) -> float:
    if person.box is not None:
        return float(np.sqrt(_area(person.box)))
    return float(np.sqrt(np.ptp(_labelled_points(person), axis=0).prod()))


def _labelled_points(person: CheckedPerson) -> Floats:
    """`[L, 2]`, in pixels of the picture."""
    return np.zeros((0, 2)) if person.joints is None else person.joints[person.joints[:, 2] > 0, :2]


def _count(person: CheckedPerson) -> int:
    return 0 if person.joints is None else len(person.joints)
