"""Checks of all people together: what no single annotation shows, and a summary."""

from collections.abc import Sequence

import numpy as np

from service.inference.card import Skeleton
from service.inference.types import Floats
from training.data.checks_people import CheckedPerson
from training.data.findings import Findings

_MIN_PEOPLE = 10
_MIN_JOINTS = 8
_HEIGHTS_PX = (32, 64, 128, 256)
# Medians on COCO, on Leeds sports people and after shuffling the joints: 0.5, 0.55 and 0.95.
_SHUFFLED = 0.75


def check_statistics(
    people: Sequence[CheckedPerson], skeleton: Skeleton | None, findings: Findings
) -> None:
    """Checks units, order and sides of the joints; notes how many people of what size there are."""
    joints = [person.joints for person in people if person.joints is not None]
    if not joints:
        message = "nobody has a labelled joint: only a person detector can learn from this file"
        findings.add("warning", message)
    elif max(float(person[:, :2].max()) for person in joints) <= 1:
        message = "all joints lie within 0..1: they must be in pixels, not in fractions"
        findings.add("error", message)
    if skeleton is not None:
        _check_order(joints, skeleton, findings)
        _check_sides(joints, skeleton, findings)
        _note_unlabelled_names(joints, skeleton, findings)
    _note_sizes(people, findings)


def _check_order(joints: Sequence[Floats], skeleton: Skeleton, findings: Findings) -> None:
    """Joints in another order than the names join far places: edges get as long as any distance."""
    ratios = [
        ratio
        for person in joints
        if (person[:, 2] > 0).sum() >= _MIN_JOINTS
        and (ratio := _edge_ratio(person, skeleton)) is not None
    ]
    if len(ratios) >= _MIN_PEOPLE and np.median(ratios) > _SHUFFLED:
        findings.add(
            "warning",
            "joints that the skeleton connects lie about as far apart as any two: are the labels "
            "in the order of the names?",
            f"median length of an edge {np.median(ratios):.2f} of the mean distance of two joints, "
            "about 0.5 in COCO",
        )


def _edge_ratio(person: Floats, skeleton: Skeleton) -> float | None:
    """Mean length of the edges over the mean distance of two labelled joints."""
    seen = person[:, 2] > 0
    lengths = [
        float(np.hypot(*(person[a, :2] - person[b, :2])))
        for a, b in skeleton.edges
        if seen[a] and seen[b]
    ]
    points = person[seen, :2]
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    mean = distances.sum() / (len(points) * (len(points) - 1))
    return float(np.mean(lengths) / mean) if lengths and mean > 0 else None


def _check_sides(joints: Sequence[Floats], skeleton: Skeleton, findings: Findings) -> None:
    """Who shows nose and both eyes faces the camera: the left eye is on the picture's right."""
    if not {"nose", "left_eye", "right_eye"} <= set(skeleton.names):
        return
    face = [skeleton.names.index(name) for name in ("nose", "left_eye", "right_eye")]
    faces = [person[face] for person in joints if (person[face, 2] > 0).all()]
    mirrored = sum(bool(face[1, 0] < face[2, 0]) for face in faces)
    if len(faces) >= _MIN_PEOPLE and mirrored > len(faces) / 2:
        findings.add(
            "warning",
            "left and right look swapped: most people who face the camera have their left eye on "
            "the left of the picture; left means the person's own left",
            f"{mirrored} of {len(faces)} faces",
        )


def _note_unlabelled_names(
    joints: Sequence[Floats], skeleton: Skeleton, findings: Findings
) -> None:
    if not joints:
        return
    counts = sum((person[:, 2] > 0).astype(int) for person in joints)
    unlabelled = [skeleton.names[i] for i in np.flatnonzero(counts == 0).tolist()]
    for name in unlabelled:
        findings.add("note", "a keypoint is labelled on nobody", name)


def _note_sizes(people: Sequence[CheckedPerson], findings: Findings) -> None:
    crowds = sum(person.crowd for person in people)
    single = [person for person in people if not person.crowd]
    without = sum(person.joints is None for person in single)
    for message, count in (
        ("annotations of a crowd", crowds),
        ("people without a labelled joint", without),
        ("people with labelled joints", len(single) - without),
    ):
        if count:
            findings.add("note", message, count=count)
    heights = [person.box.height for person in single if person.box is not None]
    if heights:
        counts = np.histogram(heights, (0, *_HEIGHTS_PX, np.inf))[0].tolist()
        labels = (f"below {_HEIGHTS_PX[0]}", *(f"from {height}" for height in _HEIGHTS_PX))
        shown = ", ".join(f"{label}: {n}" for label, n in zip(labels, counts, strict=True))
        findings.add(
            "note", "people by the height of their box in pixels", shown, count=len(heights)
        )
