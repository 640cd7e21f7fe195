"""How alike tracks and people are, and which belongs to which.

Sources: Zhang et al. 2022 ("ByteTrack"): boxes predicted and matched by IoU; Xiao et al. 2018
("SimpleBaseline"), section 3: poses carried along and matched by OKS; Yang et al. 2023 ("C-BIoU"):
boxes enlarged, so that fast people still overlap; Kuhn 1955 and Jonker and Volgenant 1987: the
assignment.
"""

import numpy as np

from service.inference.oks import joint_similarities
from service.inference.types import Box, Floats

_BUFFER = 0.25
"""By how much of its size a box is enlarged on each side."""
_OKS_SHARE = 0.5
_SEEN_SCORE = 0.2
_IMPOSSIBLE = 1e6


def similarities(
    boxes: Floats,
    poses: Floats,
    other_boxes: Floats,
    other_poses: Floats,
    sigmas: Floats,
) -> Floats:
    """How alike each of T tracks is to each of P people, `[T, P]`, each in 0..1.

    Half counts how boxes overlap, half how poses agree: a pose tells two people apart who cross
    each other, a box is still there when the pose is wrong.

    Args:
        boxes: corners `[T, 4]`, where the tracks are expected.
        poses: `[T, K, 3]`, x, y and score of their joints there.
        other_boxes: `[P, 4]`.
        other_poses: `[P, K, 3]`.
        sigmas: `[K]`, of OKS.
    """
    overlap = _overlaps(_enlarged(boxes), _enlarged(other_boxes))
    return (
        _OKS_SHARE * _pose_agreement(boxes, poses, other_boxes, other_poses, sigmas)
        + (1 - _OKS_SHARE) * overlap
    )


def match(likeness: Floats, least: float) -> list[tuple[int, int]]:
    """The pairs of rows and columns whose likenesses are the most together.

    Args:
        likeness: `[T, P]`.
        least: pairs that are less alike are none.
    """
    if likeness.size == 0:
        return []
    cost = np.where(likeness >= least, 1 - likeness, _IMPOSSIBLE)
    return [(row, column) for row, column in assign(cost) if likeness[row, column] >= least]


def assign(cost: Floats) -> list[tuple[int, int]]:
    """A column for each row, or a row for each column, so that the sum of costs is the least.

    Shortest augmenting paths, O(n³): for 20 people about 2 ms, so that SciPy is not needed.

    Args:
        cost: `[R, C]`, finite.

    Returns:
        min(R, C) pairs by ascending row.
    """
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in assign(cost.T))
    rows, columns = cost.shape
    row_prices, column_prices = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for row in range(rows):
        _augment(row, cost, row_prices, column_prices, row_of)
    return sorted((int(row), column) for column, row in enumerate(row_of) if row >= 0)


def corners(boxes: list[Box]) -> Floats:
    """Boxes as `[P, 4]`."""
    rows = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    return np.array(rows, np.float64).reshape(-1, 4)


def _augment(
    first: int, cost: Floats, row_prices: Floats, column_prices: Floats, row_of: Floats
) -> None:
    """Gives a row a column, moving others where that is cheaper; prices stay consistent."""
    columns = cost.shape[1]
    distance, before = np.full(columns, np.inf), np.full(columns, -1)
    done = np.zeros(columns, bool)
    row, last, reached, visited = first, -1, 0.0, [(first, 0.0)]
    while True:
        reduced = reached + cost[row] - row_prices[row] - column_prices
        better = ~done & (reduced < distance)
        distance[better], before[better] = reduced[better], last
        last = int(np.argmin(np.where(done, np.inf, distance)))
        reached = float(distance[last])
        done[last] = True
        if row_of[last] < 0:
            break
        row = int(row_of[last])
        visited.append((row, reached))
    for seen, at in visited:
        row_prices[seen] += reached - at
    column_prices[done] -= reached - distance[done]
    while last >= 0:
        previous = int(before[last])
        row_of[last] = first if previous < 0 else row_of[previous]
        last = previous


def _enlarged(boxes: Floats) -> Floats:
    margins = (boxes[:, 2:] - boxes[:, :2]) * _BUFFER
    return np.concatenate([boxes[:, :2] - margins, boxes[:, 2:] + margins], axis=1)


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """IoU, `[T, P]`."""
    upper = np.maximum(boxes[:, None, :2], others[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(lower - upper, 0, None), axis=-1)
    together = _areas(boxes)[:, None] + _areas(others)[None, :] - shared
    return shared / np.maximum(together, 1e-9)


def _pose_agreement(
    boxes: Floats, poses: Floats, other_boxes: Floats, other_poses: Floats, sigmas: Floats
) -> Floats:
    """OKS over the joints that are seen in both, weighted by how sure both are, `[T, P]`."""
    areas = (_areas(boxes)[:, None] + _areas(other_boxes)[None, :]) / 2
    alike = joint_similarities(poses[:, None, :, :2], other_poses[None, :, :, :2], areas, sigmas)
    scores, other_scores = poses[:, None, :, 2], other_poses[None, :, :, 2]
    seen = (scores >= _SEEN_SCORE) & (other_scores >= _SEEN_SCORE)
    weights = np.where(seen, np.sqrt(np.clip(scores * other_scores, 0, None)), 0.0)
    return (alike * weights).sum(-1) / np.maximum(weights.sum(-1), 1e-9)


def _areas(boxes: Floats) -> Floats:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
