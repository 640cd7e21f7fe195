"""How well people are found who have something in common: size, labelled joints, crowding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from service.inference.types import Floats
from training.analysis.results import Group
from training.coco_tool import Flags, Matches, average_precision, box_overlaps
from training.comparison import Comparison, without_error, without_people

_HEIGHTS_PX = (64, 128, 256)
# Of the joints; of COCO's seventeen 1-5, 6-10, 11-15, 16-17 as in Ronchi and Perona 2017.
_LABELLED = (0.3, 0.6, 0.9)
_OVERLAPS = (0.1, 0.5)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far each of A annotations was found.

    Attributes:
        similarity: `[A]`, to the answer about it, or 0.
        at_50: `[A]`, found at 0.50.
        at_75: `[A]`, found at 0.75.
        expected: `[A]`, to be found at all.
    """

    similarity: Floats
    at_50: Flags
    at_75: Flags
    expected: Flags


def reached(loose: Matches, at_50: Matches, at_75: Matches) -> Reached:
    """From the matchings at 0.1, 0.5 and 0.75."""
    similarity = np.zeros(len(loose.expected))
    found = loose.result >= 0
    similarity[found] = loose.similarity[loose.result[found]]
    return Reached(similarity, at_50.result >= 0, at_75.result >= 0, loose.expected)


def by_height(
    comparison: Comparison, answer_heights_px: Floats, people: Reached
) -> tuple[Group, ...]:
    """People by the height of their boxes, in pixels of the stored picture.

    As with COCO's areas, answers of another height that find nobody are no errors.

    Args:
        comparison: of joints or boxes.
        answer_heights_px: of the boxes of the results.
        people: how far they were found.
    """
    heights_px = np.array([entry["bbox"][3] for entry in comparison.expected], float)
    groups: list[Group] = []
    for name, low, high in _ranges(_HEIGHTS_PX, " px"):
        inside = (heights_px >= low) & (heights_px < high)
        answers_inside = (answer_heights_px >= low) & (answer_heights_px < high)
        ap = average_precision(_restricted(comparison, inside, answers_inside))
        groups.append(_group(name, inside, people, ap))
    return tuple(groups)


def by_labelled_joints(comparison: Comparison, joints: int, people: Reached) -> tuple[Group, ...]:
    """People by how many of their joints are labelled."""
    counts = np.array([entry["num_keypoints"] for entry in comparison.expected])
    bounds = [0, *(int(share * joints) for share in _LABELLED), joints]
    groups: list[Group] = []
    for low, high in pairwise(bounds):
        if high > low:
            name = f"{low + 1}-{high}" if high > low + 1 else f"{high}"
            unit = "joint" if high == 1 else "joints"
            groups.append(_group(f"{name} {unit}", (counts > low) & (counts <= high), people))
    return tuple(groups)


def by_overlap(comparison: Comparison, people: Reached) -> tuple[Group, ...]:
    """People by the largest IoU of their box with another person's."""
    overlaps = np.zeros(len(comparison.expected))
    images = np.array([entry["image_id"] for entry in comparison.expected])
    single = np.array([not entry["iscrowd"] for entry in comparison.expected], bool)
    for image_id in set(images.tolist()):
        places = np.flatnonzero((images == image_id) & single)
        boxes = np.array([comparison.expected[place]["bbox"] for place in places], float)
        between = box_overlaps(boxes, boxes)
        np.fill_diagonal(between, 0)
        overlaps[places] = between.max(axis=1, initial=0)
    return tuple(
        _group(f"overlap {name}", (overlaps >= low) & (overlaps < high), people)
        for name, low, high in _ranges(_OVERLAPS, "")
    )


def _ranges(bounds: Sequence[float], unit: str) -> list[tuple[str, float, float]]:
    """A name, lower and upper bound for each part of the numbers from 0."""
    parts = [(f"below {bounds[0]:g}{unit}", 0.0, float(bounds[0]))]
    for low, high in pairwise(bounds):
        parts.append((f"{low:g}-{high:g}{unit}", float(low), float(high)))
    parts.append((f"from {bounds[-1]:g}{unit}", float(bounds[-1]), float("inf")))
    return parts


def _restricted(comparison: Comparison, people: Flags, answers: Flags) -> Comparison:
    expected = zip(comparison.expected, people, strict=True)
    found = zip(comparison.found, answers, strict=True)
    return replace(
        comparison,
        expected=tuple(entry if keep else without_people(entry) for entry, keep in expected),
        found=tuple(entry if keep else without_error(entry) for entry, keep in found),
    )


def _group(name: str, members: Flags, people: Reached, ap: float | None = None) -> Group:
    chosen = members & people.expected
    count = int(chosen.sum())
    return Group(
        name=name,
        people=count,
        ap=ap,
        mean_similarity=float(people.similarity[chosen].mean()) if count else None,
        recall_50=float(people.at_50[chosen].mean()) if count else None,
        recall_75=float(people.at_75[chosen].mean()) if count else None,
    )
