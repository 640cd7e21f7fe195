"""What a person sees while a network trains."""

import time
from collections.abc import Mapping

from rich.console import Console

from training.config import TrainConfig

_SHOWN = ("loss", "val_AP", "val_AP50")


class ProgressLines:
    """One line per epoch: loss, AP, samples per second, time left; on a terminal also a live one.

    Args:
        config: of the run.
        first_step: where this session begins.
    """

    def __init__(self, config: TrainConfig, first_step: int) -> None:
        self._config = config
        self._first_step = first_step
        self._console = Console()
        self._started = time.monotonic()
        self._epoch_step, self._epoch_started = first_step, self._started

    def step(self, done: int, loss: float) -> None:
        """After so many steps of the run, with the mean loss of the epoch that has begun."""
        now = time.monotonic()
        if not self._console.is_terminal:
            return
        per_epoch = self._config.steps_per_epoch
        epoch, step = divmod(done - 1, per_epoch)
        seconds = max(now - self._epoch_started, 1e-9)
        rate = (done - self._epoch_step) * self._config.batch_size / seconds
        self._console.print(
            f"epoch {epoch + 1} step {step + 1}/{per_epoch} loss {loss:.4f} {rate:.1f}/s   ",
            end="\r",
            highlight=False,
        )

    def epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """After an epoch, counted from 0, was measured."""
        per_epoch, epochs = self._config.steps_per_epoch, self._config.epochs
        now, done = time.monotonic(), (epoch + 1) * per_epoch
        per_step = (now - self._started) / max(done - self._first_step, 1)
        minutes, seconds = divmod(int(per_step * (epochs * per_epoch - done)), 60)
        values = " ".join(f"{name} {figures[name]:.4f}" for name in _SHOWN if name in figures)
        self._console.print(
            f"epoch {epoch + 1}/{epochs} {values} "
            f"{figures['samples_per_s']:.1f} samples/s, {minutes}:{seconds:02d} left",
            highlight=False,
        )
        self._console.file.flush()
        self._epoch_step, self._epoch_started = done, time.monotonic()
