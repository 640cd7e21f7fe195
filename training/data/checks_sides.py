"""Checks for people whose left and right are exchanged, of some joints or of all."""

import numpy as np
import numpy.typing as npt

from service.inference.card import Skeleton
from service.inference.types import Floats

# The line from the right to the left joint of a pair must be this long, in sides of the box, to
# have a direction, and two lines must be about parallel to be compared.
_MIN_LENGTH = 0.1
_MIN_COSINE = 0.7
# Two pairs are compared only if nearly everyone has them the same way round: shoulders with hips,
# but not with ankles, since legs may be crossed. One exception is allowed in any case.
_MAX_EXCEPTIONS = 0.02
_MIN_PEOPLE = 30
_FACE = ("nose", "left_eye", "right_eye")
_MIN_EYE_DISTANCE = 0.02


def swapped_pairs(
    joints: Floats, sides_px: Floats, skeleton: Skeleton
) -> list[tuple[int, float, str]]:
    """People with a pair of joints that points against the others.

    Args:
        joints: `[P, K, 3]`: x, y in pixels of the picture, visibility.
        sides_px: `[P]`, sides of the people's boxes.
        skeleton: whose pairs are compared.

    Returns:
        Number of the person, how many other pairs disagree, and the pair's names.
    """
    if not skeleton.flip_pairs:
        return []
    left, right = np.array(skeleton.flip_pairs).T
    lines = joints[:, left, :2] - joints[:, right, :2]
    lengths = np.linalg.norm(lines, axis=2)
    clear = (joints[:, left, 2] > 0) & (joints[:, right, 2] > 0)
    clear &= lengths > _MIN_LENGTH * sides_px[:, None]
    directions = lines / np.maximum(lengths, 1e-9)[..., None]
    cosines = np.einsum("pix,pjx->pij", directions, directions)
    comparable = clear[:, :, None] & clear[:, None] & (np.abs(cosines) > _MIN_COSINE)
    against = comparable & (cosines < 0) & _agreeing(comparable, cosines)
    votes = against.sum(axis=2)
    return [
        (person, float(votes[person].max()), _names(int(votes[person].argmax()), skeleton))
        for person in np.flatnonzero(votes.any(axis=1)).tolist()
    ]


def _agreeing(comparable: npt.NDArray[np.bool_], cosines: Floats) -> npt.NDArray[np.bool_]:
    """Which two pairs point the same way in nearly everyone, `[pairs, pairs]`."""
    counts = comparable.sum(axis=0)
    exceptions = (comparable & (cosines < 0)).sum(axis=0)
    return (counts >= _MIN_PEOPLE) & (exceptions <= np.maximum(1, _MAX_EXCEPTIONS * counts))


def _names(pair: int, skeleton: Skeleton) -> str:
    return " and ".join(skeleton.names[end] for end in skeleton.flip_pairs[pair])


def mirrored_faces(
    joints: Floats, sides_px: Floats, skeleton: Skeleton
) -> list[tuple[int, float, str]]:
    """Upright people who show nose and both eyes, with the left eye on the left of the picture.

    Args:
        joints: `[P, K, 3]`: x, y in pixels of the picture, visibility.
        sides_px: `[P]`, sides of the people's boxes.
        skeleton: looked at only if it has these three joints.

    Returns:
        Number of the person, distance of the eyes in sides of the box, and a detail.
    """
    if not set(_FACE) <= set(skeleton.names):
        return []
    nose, left, right = np.moveaxis(joints[:, [skeleton.names.index(n) for n in _FACE]], 1, 0)
    seen = (nose[:, 2] > 0) & (left[:, 2] > 0) & (right[:, 2] > 0)
    upright = nose[:, 1] > np.maximum(left[:, 1], right[:, 1])
    distances = (right[:, 0] - left[:, 0]) / sides_px
    found = np.flatnonzero(seen & upright & (distances > _MIN_EYE_DISTANCE)).tolist()
    return [(person, float(distances[person]), "the eyes") for person in found]
