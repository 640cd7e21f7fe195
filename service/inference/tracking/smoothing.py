"""Joints that do not tremble, of one person who may walk.

A low-pass filter in the picture lags behind whoever crosses it, however steadily. So the One-Euro
filter works in a frame that moves along with the body: what all joints do together passes at once,
what each does by itself is smoothed.
"""

import numpy as np

from service.inference.tracking.one_euro import OneEuroFilter
from service.inference.types import Floats

_BODY_CUTOFF_HZ = 2.0


class JointSmoother:
    """A One-Euro filter of K joints relative to the motion that most of them share.

    Args:
        joints: the filter; by default one with parameters for people in videos.
    """

    def __init__(self, joints: OneEuroFilter | None = None) -> None:
        self._joints = joints or OneEuroFilter()
        self._last: Floats | None = None
        self._time_s = 0.0
        self._velocity = np.zeros(2)
        self._way = np.zeros(2)

    def smooth(self, points: Floats, time_s: float, size: float) -> Floats:
        """The next position of each joint.

        Args:
            points: `[K, 2]`, in pixels.
            time_s: later than the last one; at the same time the answer stays as it was.
            size: of the person in pixels, by which speeds are measured.

        Returns:
            `[K, 2]`; at first the points themselves.
        """
        elapsed_s = time_s - self._time_s
        if self._last is None:
            self._last, self._time_s = points.copy(), time_s
        elif elapsed_s > 0:
            self._go_along((points - self._last) / elapsed_s, elapsed_s)
            self._last, self._time_s = points.copy(), time_s
        return self._joints.smooth(points - self._way, time_s, size) + self._way

    def _go_along(self, velocities: Floats, elapsed_s: float) -> None:
        """Moves the frame; an error in it only makes the joints lag a little."""
        # The median: a joint that jumps to the other side does not drag the body along.
        surprise = np.median(velocities, axis=0) - self._velocity
        keep = 1 / (1 + 1 / (2 * np.pi * _BODY_CUTOFF_HZ * elapsed_s))
        self._velocity = self._velocity + keep * surprise
        self._way = self._way + elapsed_s * self._velocity
