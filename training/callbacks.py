"""What happens between epochs: validation, checkpoints, progress."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from rich.console import Console

from training.config import TrainConfig
from training.data.batches import TrainingBatches
from training.run import Run

PRIMARY_METRIC = "val_AP"


@contextmanager
def averaged_weights(model: keras.Model) -> Generator[None]:
    """Within it, the model holds the optimizer's moving averages of its weights."""
    if not model.optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    raw = [np.asarray(variable).copy() for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, raw, strict=True):
            variable.assign(value)


class StartEpoch(keras.callbacks.Callback):
    """Tells the batches which epoch begins, also in a resumed run."""

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        self._batches.epoch = epoch


class Validate(keras.callbacks.Callback):
    """Measures the averaged weights and keeps the best; without data, keeps the newest.

    Attributes:
        best: highest AP so far.
    """

    def __init__(
        self, run: Run, measure: Callable[[keras.Model], Mapping[str, float]] | None, best: float
    ) -> None:
        super().__init__()
        self._run = run
        self._measure = measure
        self.best = best

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        # The first epoch is measured too, since it decides the columns of the CSV log.
        last = epoch + 1 == self._run.config.epochs
        if not last and epoch % self._run.config.evaluate_every:
            return
        with averaged_weights(self.model):
            metrics = dict(self._measure(self.model)) if self._measure else {}
            if logs is not None:
                logs.update({f"val_{name}": value for name, value in metrics.items()})
            score = metrics.get("AP", float(epoch))
            self._save(self._run.final_weights)
            if score > self.best:
                self.best = score
                self._save(self._run.best_weights)

    def _save(self, path: Path) -> None:
        draft = path.with_name("draft.weights.h5")
        self.model.save_weights(draft)
        draft.replace(path)


class SaveCheckpoint(keras.callbacks.Callback):
    """Saves weights and optimizer state after every epoch."""

    def __init__(self, run: Run, validate: Validate) -> None:
        super().__init__()
        self._run = run
        self._validate = validate

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        self._run.save_checkpoint(self.model, epoch + 1, self._validate.best)


class Progress(keras.callbacks.Callback):
    """One line per epoch: losses, AP, samples per second, time left; on a terminal also live."""

    def __init__(self, config: TrainConfig, first_epoch: int) -> None:
        super().__init__()
        self._config = config
        self._first = first_epoch
        self._console = Console()
        self._started = self._epoch_started = time.monotonic()
        self._epoch = first_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        del logs
        self._epoch, self._epoch_started = epoch, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self._console.is_terminal:
            rate = (batch + 1) * self._config.batch_size / (time.monotonic() - self._epoch_started)
            loss = (logs or {}).get("loss", float("nan"))
            steps = self._config.steps_per_epoch
            line = f"epoch {self._epoch + 1} step {batch + 1}/{steps} loss {loss:.4f} {rate:.1f}/s"
            self._console.print(line, end="\r", highlight=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now = time.monotonic()
        rate = self._config.epoch_samples / (now - self._epoch_started)
        per_epoch = (now - self._started) / (epoch + 1 - self._first)
        left = per_epoch * (self._config.epochs - epoch - 1)
        shown = ("loss", PRIMARY_METRIC, "val_AP50")
        values = " ".join(f"{name} {logs[name]:.4f}" for name in shown if logs and name in logs)
        minutes, seconds = divmod(int(left), 60)
        self._console.print(
            f"epoch {epoch + 1}/{self._config.epochs} {values} "
            f"{rate:.1f} samples/s, {minutes}:{seconds:02d} left",
            highlight=False,
        )
        self._console.file.flush()
