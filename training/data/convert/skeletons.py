"""The joints of the known formats, and how joints of one skeleton become those of another.

All sides are the person's own: `left_wrist` is the wrist of the person's left arm.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import ValidationError

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from service.inference.types import Floats
from service.inference.validation import first_problem
from training.skeletons import COCO, DEFAULT_SIGMA, pairs_by_name

# Joints that COCO lacks get the sigma of the joint beside them, as CrowdPose's own evaluation
# does for its head and neck.
_FURTHER_SIGMAS = {
    "head_top": 0.079,
    "head_bottom": 0.079,
    "upper_neck": 0.079,
    "neck": 0.079,
    "thorax": 0.079,
    "pelvis": 0.107,
}


def canonical(name: str) -> str:
    """A joint's name in COCO's spelling: `Left Shoulder` and `left-shoulder` are one joint."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def named_skeleton(
    names: Sequence[str],
    *,
    edges: Sequence[tuple[int, int]] | None = None,
    flip_pairs: Sequence[tuple[int, int]] | None = None,
    sigmas: Sequence[float] | None = None,
) -> Skeleton:
    """A skeleton from names; what is not given follows from them.

    Args:
        names: of K keypoints.
        edges: None takes COCO's between those that COCO knows.
        flip_pairs: None pairs names that differ in left and right.
        sigmas: None takes COCO's for joints that it knows, and 0.05.

    Raises:
        InvalidData: a name stands twice, or an index or number is out of range.
    """
    try:
        return Skeleton(
            names=tuple(names),
            edges=tuple(_coco_edges(names) if edges is None else edges),
            flip_pairs=tuple(pairs_by_name(names) if flip_pairs is None else flip_pairs),
            sigmas=tuple(map(_sigma, names) if sigmas is None else sigmas),
        )
    except ValidationError as error:
        raise InvalidData(f"skeleton: {first_problem(error)}") from error


def _sigma(name: str) -> float:
    known = dict(zip(COCO.names, COCO.sigmas, strict=True)) | _FURTHER_SIGMAS
    return known.get(canonical(name), DEFAULT_SIGMA)


def _coco_edges(names: Sequence[str]) -> list[tuple[int, int]]:
    places = {canonical(name): index for index, name in enumerate(names)}
    return [
        (places[COCO.names[a]], places[COCO.names[b]])
        for a, b in COCO.edges
        if COCO.names[a] in places and COCO.names[b] in places
    ]


def places_of(wanted: Skeleton, have: Skeleton) -> list[int | None]:
    """For each joint of `wanted` its index in `have`, None where `have` lacks it."""
    places = {canonical(name): index for index, name in enumerate(have.names)}
    return [places.get(canonical(name)) for name in wanted.names]


def rearranged(joints: Floats, places: Sequence[int | None]) -> Floats:
    """Joints `[K, 3]` in the order of `places`; those without a place are not labelled."""
    padded = np.vstack([joints, np.zeros((1, 3))])
    return padded[[-1 if place is None else place for place in places]]


def is_coco(skeleton: Skeleton) -> bool:
    """Whether it has COCO's seventeen joints, in whatever order and spelling."""
    return {canonical(name) for name in skeleton.names} == set(COCO.names)


def mpii() -> Skeleton:
    """The sixteen joints of MPII.

    Source: Andriluka et al. 2014, the data set's README: joint ids 0..15, "r ankle" to "l wrist".
    """
    return named_skeleton(
        (
            "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
            "pelvis", "thorax", "upper_neck", "head_top", "right_wrist", "right_elbow",
            "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
        ),
        edges=(
            (0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9),
            (7, 12), (12, 11), (11, 10), (7, 13), (13, 14), (14, 15),
        ),
    )  # fmt: skip


def lsp() -> Skeleton:
    """The fourteen joints of Leeds Sports Pose and its extended training set.

    Source: Johnson and Everingham 2010 and 2011, the data sets' READMEs.
    """
    return named_skeleton(
        (
            "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
            "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
            "left_wrist", "neck", "head_top",
        ),
        edges=(
            (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 12), (12, 9), (9, 10),
            (10, 11), (12, 13), (2, 8), (3, 9),
        ),
    )  # fmt: skip


def posetrack() -> Skeleton:
    """The seventeen joints of PoseTrack 2018 and 2021; ears are listed, but nobody labelled them.

    Source: Andriluka et al. 2018, `categories` of the annotation files.
    """
    return named_skeleton(
        (
            COCO.names[0], "head_bottom", "head_top", *COCO.names[3:],
        ),
        edges=(
            (0, 1), (0, 2), (1, 5), (1, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12),
            (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
        ),
    )  # fmt: skip


def crowdpose() -> Skeleton:
    """The fourteen joints of CrowdPose; its files repeat COCO's edges, which do not fit them.

    Source: Li et al. 2019; order and sigmas of `crowdposetools`.
    """
    return named_skeleton(
        (*COCO.names[5:], "head_top", "neck"),
        edges=(
            (12, 13), (13, 0), (13, 1), (0, 2), (2, 4), (1, 3), (3, 5), (0, 6), (1, 7), (6, 7),
            (6, 8), (8, 10), (7, 9), (9, 11),
        ),
    )  # fmt: skip
