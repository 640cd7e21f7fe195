"""Skeletons: COCO's seventeen joints, and those that a COCO file's category describes."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from service.inference.card import Skeleton
from service.inference.errors import InvalidData

COCO = Skeleton(
    names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear",
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
        "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
        "left_ankle", "right_ankle",
    ),
    edges=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
        (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072,
        0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
    ),
)  # fmt: skip
"""The joints, edges and sigmas of COCO (cocodataset.org, keypoints evaluation)."""

DEFAULT_SIGMA = 0.05
"""Of joints for which nobody measured how far annotators differ."""

_MIRRORED = {"left": "right", "right": "left"}


def skeleton_of(category: Mapping[str, Any]) -> Skeleton:
    """The skeleton of a COCO `categories` entry.

    Flip pairs come from `flip_pairs` or from names that differ in left/right; sigmas from `sigmas`,
    COCO's own for COCO's joints, or 0.05.

    Raises:
        InvalidData: the category lacks keypoints or contradicts itself.
    """
    names = tuple(str(name) for name in category.get("keypoints", ()))
    if not names:
        raise InvalidData("categories: the first category has no `keypoints` names")
    sigmas = COCO.sigmas if names == COCO.names else (DEFAULT_SIGMA,) * len(names)
    try:
        return Skeleton(
            names=names,
            edges=tuple((a - 1, b - 1) for a, b in category.get("skeleton", ())),
            flip_pairs=tuple(category.get("flip_pairs", pairs_by_name(names))),
            sigmas=tuple(category.get("sigmas", sigmas)),
        )
    except (ValidationError, TypeError, ValueError) as error:
        raise InvalidData(f"categories: the skeleton is inconsistent: {error}") from error


def pairs_by_name(names: Sequence[str]) -> list[tuple[int, int]]:
    """Indices of the names that differ in left and right only, the left one first."""
    return [
        (left, names.index(mirror_name(name)))
        for left, name in enumerate(names)
        if "left" in name.lower() and mirror_name(name) in names
    ]


def mirror_name(name: str) -> str:
    """The name of the other side; the name itself if it has none."""
    for side, other in _MIRRORED.items():
        for spelled in (str.lower, str.capitalize, str.upper):
            if spelled(side) in name:
                return name.replace(spelled(side), spelled(other))
    return name
