"""Where a box will be: a Kalman filter of its centre and size that move at a constant velocity.

Source: Wojke, Bewley and Paulus 2017 ("DeepSORT"), whose noise grows with the person too; here in
seconds instead of frames, and each of the four values by itself, as that model treats them.
"""

import numpy as np

from service.inference.types import Box, Floats

_MEASURED = 0.05
"""Standard deviation of a measured value, in heights of the box."""
_ACCELERATION = 0.7
"""Standard deviation of the velocity's change in a second, in heights of the box."""
_FIRST_VELOCITY = 1.0
"""What is not known of the first velocity, in heights per second."""


class BoxMotion:
    """The motion of one box: x and y of its centre, width, height, and their velocities.

    Args:
        box: first seen.
        time_s: when.
    """

    def __init__(self, box: Box, time_s: float) -> None:
        self._time_s = time_s
        self._values = _measured(box)
        self._velocities = np.zeros(4)
        height = max(box.height, 1.0)
        # Variance of the value, of the velocity, and what both share; the same for all four.
        self._variance = (_MEASURED * height) ** 2
        self._velocity_variance = (_FIRST_VELOCITY * height) ** 2
        self._shared = 0.0

    def at(self, time_s: float) -> Box:
        """Where the box is expected; nothing is changed by asking."""
        elapsed_s = max(0.0, time_s - self._time_s)
        return _box(self._values + elapsed_s * self._velocities)

    def see(self, box: Box, time_s: float) -> None:
        """Takes in where the box has been found."""
        elapsed_s = max(0.0, time_s - self._time_s)
        self._time_s = max(time_s, self._time_s)
        height = max(float(self._values[3]), 1.0)
        self._let_pass(elapsed_s, height)
        spread = self._variance + (_MEASURED * height) ** 2
        value_gain, velocity_gain = self._variance / spread, self._shared / spread
        surprise = _measured(box) - self._values
        self._values = self._values + value_gain * surprise
        self._velocities = self._velocities + velocity_gain * surprise
        self._velocity_variance -= velocity_gain * self._shared
        self._shared *= 1 - value_gain
        self._variance *= 1 - value_gain

    def stop_growing(self) -> None:
        """Keeps the size from now on: of somebody who is hidden, its change says nothing."""
        self._velocities[2:] = 0.0

    def _let_pass(self, elapsed_s: float, height: float) -> None:
        """Predicts, with an acceleration that is white noise."""
        density = (_ACCELERATION * height) ** 2
        self._values = self._values + elapsed_s * self._velocities
        self._variance += (
            2 * elapsed_s * self._shared
            + elapsed_s**2 * self._velocity_variance
            + density * elapsed_s**3 / 3
        )
        self._shared += elapsed_s * self._velocity_variance + density * elapsed_s**2 / 2
        self._velocity_variance += density * elapsed_s


def _measured(box: Box) -> Floats:
    centre = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    return np.array([*centre, box.width, box.height])


def _box(values: Floats) -> Box:
    x, y, width, height = values.tolist()
    width, height = max(width, 1.0), max(height, 1.0)
    return Box.from_xywh(x - width / 2, y - height / 2, width, height)
