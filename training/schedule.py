"""The learning rate over a run."""

from typing import Any

import keras
import numpy as np
from keras import ops

from training.config import FlatCosineSchedule, OptimizerConfig, StepsSchedule


def learning_rates(
    config: OptimizerConfig, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The schedule that the configuration names, for a run of so many steps."""
    warmup = int(steps * config.schedule.warmup_fraction)
    match config.schedule:
        case FlatCosineSchedule(flat_fraction=flat, final_fraction=final):
            return FlatCosine(config.learning_rate, steps, warmup, int(steps * flat), final)
        case StepsSchedule(at=at, factor=factor):
            drops = tuple(int(steps * part) for part in at)
            return Steps(config.learning_rate, warmup, drops, factor)


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


@keras.saving.register_keras_serializable(package="stance")
class Steps(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then the peak, multiplied by a factor after each of some steps.

    Source: the schedule of SimpleBaseline (Xiao, Wu and Wei 2018, section 3.1).
    """

    def __init__(self, peak: float, warmup: int, drops: tuple[int, ...], factor: float) -> None:
        self.peak, self.warmup, self.drops, self.factor = peak, warmup, drops, factor

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rise = ops.minimum((step + 1) / max(self.warmup, 1), 1.0)
        passed = ops.sum(ops.cast(step >= np.array(self.drops, np.float32), "float32"))
        return self.peak * rise * self.factor**passed

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup": self.warmup,
            "drops": self.drops,
            "factor": self.factor,
        }
