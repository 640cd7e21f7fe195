"""The highest place of each map, to a fraction of a cell, in operations that every export knows."""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any


def _unchanged(values: Tensor) -> Tensor:
    return values


def peak(
    maps: Tensor, *, quarter: bool = False, rising: Callable[[Tensor], Tensor] = _unchanged
) -> tuple[Tensor, Tensor, Tensor]:
    """Where each map is highest, and how high.

    The place is refined by a parabola through the neighbours, exact for logarithms of a Gaussian,
    or with `quarter` by a quarter cell towards the higher neighbour. At the border it stays in the
    middle of the cell.

    Args:
        maps: `[N, h, w, K]`.
        quarter: the refinement of SimpleBaseline.
        rising: function to read the values through, which keeps their order: it is computed around
            the peaks only, and whole maps would take as long as a convolution.

    Returns:
        x, y in cells (the centre of the first is 0.5) and `rising` of the value there, each
        `[N, K]`.

    Source: Zhang et al. 2020, DARK, section 3.2, with a diagonal Hessian; Xiao, Wu and Wei 2018.
    """
    _, height, width, joints = maps.shape
    flat = ops.reshape(maps, (-1, height * width, joints))
    # Not ops.argmax: Keras orders -0.0 before 0.0 by a bit cast, which the ONNX export lacks.
    best = ops.top_k(ops.transpose(flat, (0, 2, 1)), 1)[1][..., 0]
    column, row = best % width, best // width
    places = [best, *_beside(best, column, width, 1), *_beside(best, row, height, width)]
    # All at once: each gathering copies the maps.
    values = rising(ops.take_along_axis(flat, ops.stack(places, axis=1), axis=1))
    value, left, right, above, below = ops.unstack(values, axis=1)

    def offset(before: Tensor, after: Tensor) -> Tensor:
        if quarter:
            return 0.25 * ops.sign(after - before)
        curvature = ops.maximum(2 * value - before - after, 1e-6)
        return ops.clip((after - before) / (2 * curvature), -0.5, 0.5)

    x = ops.cast(column, "float32") + 0.5 + offset(left, right)
    y = ops.cast(row, "float32") + 0.5 + offset(above, below)
    return x, y, value


def _beside(best: Tensor, place: Tensor, length: int, step: int) -> tuple[Tensor, Tensor]:
    """The cells before and after along an axis; at its ends the cell itself, twice."""
    inside = ops.logical_and(place > 0, place < length - 1)
    return ops.where(inside, best - step, best), ops.where(inside, best + step, best)
