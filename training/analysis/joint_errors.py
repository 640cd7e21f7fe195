"""What became of each joint: right, or which kind of error.

Source: Ronchi and Perona 2017, "Benchmarking and Error Diagnosis in Multi-Instance Pose
Estimation", section 3.1.
"""

import numpy as np

from service.inference.oks import joint_similarities
from service.inference.types import Floats
from training.analysis.pairs import Pairs, joints_of
from training.analysis.results import JOINT_ERRORS, JointError
from training.coco_tool import Places
from training.comparison import Comparison

GOOD, JITTER, INVERSION, SWAP, MISS = range(len(JOINT_ERRORS))
UNLABELLED = -1
_GOOD_FROM, _NEAR_FROM = 0.85, 0.5


def joint_errors(pairs: Pairs, comparison: Comparison, flip_order: list[int]) -> Places:
    """The kind of each joint, by the similarity of that joint alone.

    `good` is a similarity of at least 0.85 and `jitter` of 0.5 to the joint itself. Else it is an
    `inversion` near (0.5) the same person's mirrored joint, a `swap` near the same or the mirrored
    joint of somebody else, whichever is nearer, and near none a `miss`.

    Args:
        pairs: P people and their answers.
        comparison: with everyone in the pictures.
        flip_order: for each joint its mirror image.

    Returns:
        `[P, K]`, places in `JOINT_ERRORS`, and -1 for joints without label.
    """
    if comparison.sigmas is None:
        raise TypeError("boxes have no joints")
    own = pairs.similarities
    mirrored, others = np.zeros_like(own), np.zeros_like(own)
    in_picture = _by_picture(comparison)
    for row, annotation in enumerate(pairs.annotations.tolist()):
        found = pairs.found[row, :, :2]
        for place in in_picture[comparison.expected[annotation]["image_id"]]:
            entry = comparison.expected[place]
            (truth,) = joints_of([entry], len(flip_order))
            swapped_sides = _nearness(found, truth[flip_order], entry["area"], comparison.sigmas)
            if place == annotation:
                paired = np.array(flip_order) != np.arange(len(flip_order))
                mirrored[row] = np.where(paired, swapped_sides, 0)
            else:
                same = _nearness(found, truth, entry["area"], comparison.sigmas)
                others[row] = np.maximum.reduce([others[row], same, swapped_sides])
    return np.select(
        [
            ~pairs.labelled,
            own >= _GOOD_FROM,
            own >= _NEAR_FROM,
            (mirrored >= _NEAR_FROM) & (mirrored >= others),
            others >= _NEAR_FROM,
        ],
        [UNLABELLED, GOOD, JITTER, INVERSION, SWAP],
        MISS,
    )


def count_joint_errors(kinds: Places) -> dict[JointError, int]:
    """How often each kind occurs."""
    return {name: int((kinds == place).sum()) for place, name in enumerate(JOINT_ERRORS)}


def _nearness(found: Floats, truth: Floats, area: float, sigmas: Floats) -> Floats:
    """The similarity of joints `[K, 2]` to labelled ones `[K, 3]`; 0 where there is no label."""
    similarities = joint_similarities(found, truth[:, :2], area, sigmas)
    return np.where(truth[:, 2] > 0, similarities, 0)


def _by_picture(comparison: Comparison) -> dict[int, list[int]]:
    """Places of the people with labelled joints."""
    places: dict[int, list[int]] = {image_id: [] for image_id in comparison.image_ids}
    for place, entry in enumerate(comparison.expected):
        if entry["num_keypoints"] and not entry["iscrowd"]:
            places[entry["image_id"]].append(place)
    return places
