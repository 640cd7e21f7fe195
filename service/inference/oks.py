"""Object keypoint similarity (OKS): how far two poses are apart, and which people are one.

Source: cocodataset.org, keypoint evaluation; Papandreou et al. 2017, section 3.4 (OKS-based
non-maximum suppression).
"""

from collections.abc import Sequence

import numpy as np

from service.inference.types import Floats


def oks(a_xy: Floats, b_xy: Floats, area: float, sigmas: Floats) -> float:
    """The similarity of two poses in 0..1, 1 if they are the same.

    Args:
        a_xy: points `[K, 2]` in pixels.
        b_xy: points `[K, 2]` in pixels.
        area: of the person, in square pixels.
        sigmas: `[K]`, the annotators' standard deviations relative to the square root of the area.
    """
    return float(joint_similarities(a_xy, b_xy, area, sigmas).mean())


def joint_similarities(a_xy: Floats, b_xy: Floats, area: float | Floats, sigmas: Floats) -> Floats:
    """The similarity of each joint of two poses, `[K]`, each in 0..1; the arguments of `oks`.

    One pose or both may be several, `[P, K, 2]` with areas `[P]`, which gives `[P, K]`.
    """
    squared = np.sum((a_xy - b_xy) ** 2, axis=-1)
    # COCO's k is twice the deviation.
    variances = (2 * sigmas) ** 2 * np.maximum(area, 1.0)[..., np.newaxis]
    similarities: Floats = np.exp(-squared / (2 * variances))
    return similarities


def distinct(poses: Floats, areas: Sequence[float], sigmas: Floats, threshold: float) -> list[int]:
    """Which of some poses to keep so that no two are more alike than a threshold.

    Args:
        poses: `[P, K, 2]` in pixels; the earlier of two that are alike is kept.
        areas: P, in square pixels; of two, their mean counts.
        sigmas: `[K]`.
        threshold: of OKS.

    Returns:
        Their indices in ascending order.
    """
    kept: list[int] = []
    sizes = np.asarray(areas)
    for index, pose in enumerate(poses):
        mean_areas = (sizes[index] + sizes[kept]) / 2
        similarities = joint_similarities(pose, poses[kept], mean_areas, sigmas).mean(axis=-1)
        if (similarities <= threshold).all():
            kept.append(index)
    return kept
