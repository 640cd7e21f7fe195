"""The One-Euro filter: joints that rest do not tremble, and joints that move do not lag.

Source: Casiez, Roussel and Vogel 2012, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy
Input in Interactive Systems".
"""

import numpy as np

from service.inference.types import Floats

MIN_CUTOFF_HZ = 1.0
BETA = 10.0
_DERIVATIVE_CUTOFF_HZ = 1.0


class OneEuroFilter:
    """A low-pass filter of K points, each of which follows the faster, the faster it moves.

    Times are what counts, not frames: frames may be missing or uneven. Speeds are measured in sizes
    of the person per second, so that one choice of parameters fits people near and far.

    Args:
        min_cutoff_hz: of a point at rest; lower trembles less.
        beta: how much the cut-off grows, in Hz, with a speed of one size per second; higher lags
            less.
    """

    def __init__(self, *, min_cutoff_hz: float = MIN_CUTOFF_HZ, beta: float = BETA) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._time_s = 0.0
        self._points: Floats | None = None
        self._speeds: Floats = np.zeros(0)

    def smooth(self, points: Floats, time_s: float, size: float) -> Floats:
        """The next position of each point.

        Args:
            points: `[K, 2]`, in pixels.
            time_s: later than the last one; at the same time the answer stays as it was.
            size: of the person in pixels, by which speeds are measured.

        Returns:
            `[K, 2]`; at first the points themselves.
        """
        if self._points is None:
            self._points, self._speeds = points.copy(), np.zeros_like(points)
            self._time_s = time_s
            return points.copy()
        elapsed_s = time_s - self._time_s
        if elapsed_s <= 0:
            return self._points.copy()
        raw_speeds = (points - self._points) / elapsed_s
        keep = _weight(np.array(_DERIVATIVE_CUTOFF_HZ), elapsed_s)
        self._speeds = keep * raw_speeds + (1 - keep) * self._speeds
        sizes_per_s = np.linalg.norm(self._speeds, axis=-1, keepdims=True) / max(size, 1.0)
        weights = _weight(self._min_cutoff_hz + self._beta * sizes_per_s, elapsed_s)
        self._points = weights * points + (1 - weights) * self._points
        self._time_s = time_s
        return self._points.copy()


def _weight(cutoff_hz: Floats, elapsed_s: float) -> Floats:
    """How much of the new value counts, in 0..1 (equation 4 there)."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * elapsed_s))
