"""The learning rate over a run."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="stance")
class FlatCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, a flat stretch, then half a cosine down to a fraction of the peak.

    Source: the schedule of RTMPose (Jiang et al. 2023, section 4.1).
    """

    def __init__(self, peak: float, steps: int, warmup: int, flat: int, final: float) -> None:
        self.peak, self.steps, self.warmup, self.flat, self.final = peak, steps, warmup, flat, final

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rise = (step + 1) / max(self.warmup, 1)
        fall = ops.clip((step - self.flat) / max(self.steps - self.flat, 1), 0.0, 1.0)
        cosine = self.final + (1 - self.final) * 0.5 * (1 + ops.cos(np.pi * fall))
        return self.peak * ops.minimum(rise, 1.0) * cosine

    def get_config(self) -> dict[str, float | int]:
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup": self.warmup,
            "flat": self.flat,
            "final": self.final,
        }
