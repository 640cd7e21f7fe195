"""The steps and epochs of a run, from wherever it is to its end."""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels
from training.checkpoint import NotFinite, Position, save_checkpoint
from training.environment import describe_environment
from training.epoch_log import EpochLog
from training.learning.learner import Learner, averaged_weights
from training.progress import ProgressLines
from training.run import Run
from training.schedule import learning_rates
from training.stopping import StopRequest
from training.validation import Validation

_READ_EVERY_S = 0.5
"""Between two looks at the loss: each waits for the device."""
_VOTE_EVERY = 10
"""Steps between two votes of several processes."""

Batches = Generator[tuple[Pixels, Floats]]


class Loop:
    """Learns, measures, logs and saves.

    Args:
        run: whose files it writes.
        learner: with the weights of `position`.
        position: where the run is.
        stop: asked after every step.
        end_of_epoch: called when an epoch's samples are through.
    """

    def __init__(
        self,
        run: Run,
        learner: Learner,
        position: Position,
        stop: StopRequest,
        end_of_epoch: Callable[[], None],
    ) -> None:
        self._run, self._config, self._learner = run, run.config, learner
        self._position, self._stop, self._end_of_epoch = position, stop, end_of_epoch
        self._rates = learning_rates(
            self._config.optimizer, self._config.steps_per_epoch * self._config.epochs
        )
        self._losses: list[Any] = []
        self._environment = describe_environment()
        self._clock = self._saved_at = self._read_at = time.monotonic()
        self._saved_step = -1

    def run(self, batches: Batches, validation: Validation | None) -> None:
        """Until the last epoch is finished.

        Args:
            batches: from the position's step on.
            validation: None where another process measures and writes.

        Raises:
            Stopped: it was asked to, after saving.
            InvalidData: the loss is no number, or a file cannot be read or written.
        """
        log = EpochLog(self._run.folder, self._position.epochs) if validation else None
        lines = ProgressLines(self._config, self._position.step) if validation else None
        if validation is not None:
            self._run.note_environment(self._environment, self._position.duration_s)
        while self._position.epochs < self._config.epochs:
            self._obey()
            self._learn_epoch(batches, lines)
            self._end_of_epoch()
            figures = self._finish_epoch(validation)
            if log is not None and lines is not None:
                log.append(self._position.epochs, figures)
                lines.epoch(self._position.epochs, figures)
            self._position = replace(
                self._position, epochs=self._position.epochs + 1, loss_sum=0.0, epoch_s=0.0
            )
            self._save()

    def check(self) -> None:
        """Between two batches of a measurement: saves and ends if that is wanted.

        With several processes the others would wait for this one, so it measures to the end.

        Raises:
            Stopped: as `run`.
        """
        if self._learner.workers == 1:
            self._obey()

    def _learn_epoch(self, batches: Batches, lines: ProgressLines | None) -> None:
        end = (self._position.epochs + 1) * self._config.steps_per_epoch
        while self._position.step < end:
            self._losses.append(self._learner.learn(*next(batches)))
            step = self._position.step + 1
            self._position = replace(self._position, step=step)
            if step == end or time.monotonic() - self._read_at > _READ_EVERY_S:
                self._read_losses()
                if lines is not None:
                    lines.step(step, self._mean_loss())
            # Several processes must ask each other at the same steps; one may at each.
            if step % _VOTE_EVERY == 0 or self._learner.workers == 1:
                self._obey()

    def _finish_epoch(self, validation: Validation | None) -> dict[str, float]:
        position = self._position
        figures = {
            "loss": self._mean_loss(),
            "learning_rate": float(self._rates(position.step - 1)),
            "samples_per_s": self._config.steps_per_epoch
            * self._config.batch_size
            / max(position.epoch_s, 1e-9),
        }
        if validation is not None:
            figures |= self._measure(validation)
        self._tick()
        return {**figures, "seconds": self._position.epoch_s}

    def _measure(self, validation: Validation) -> dict[str, float]:
        """Measures the averaged weights and keeps the best; without data, keeps the newest."""
        epoch, position = self._position.epochs, self._position
        # The first epoch is measured too: what cannot work shall show early.
        if epoch + 1 < self._config.epochs and epoch % self._config.evaluate_every:
            return {}
        self._learner.synchronise()
        metrics = validation.measure(averaged_weights(self._learner))
        validation.keep(self._run.final_weights)
        score = metrics.get("AP", float(epoch))
        if position.best is None or score > position.best:
            validation.keep(self._run.best_weights)
            self._position = replace(self._position, best=score)
        return {f"val_{name}": value for name, value in metrics.items()}

    def _obey(self) -> None:
        if self._learner.any_worker(self._stop.wanted):
            if self._position.step != self._saved_step or self._losses:
                self._save()
            raise self._stop.stopped(self._position.step)
        if time.monotonic() - self._saved_at > self._config.checkpoint_minutes * 60:
            self._save()

    def _save(self) -> None:
        self._read_losses()
        if self._learner.is_chief:
            learner = self._learner
            learner.synchronise()
            folder, position = self._run.checkpoints, self._position
            try:
                save_checkpoint(folder, position, learner.network, learner.optimizer)
            except NotFinite as error:
                raise self._not_a_number() from error
            self._run.note_environment(self._environment, self._position.duration_s)
        self._saved_at, self._saved_step = time.monotonic(), self._position.step

    def _read_losses(self) -> None:
        """Waits for the steps so far; their losses decide whether it goes on."""
        read = [float(loss) for loss in self._losses]
        self._losses.clear()
        self._tick()
        total = math.fsum([self._position.loss_sum, *read])
        if not math.isfinite(total):
            raise self._not_a_number()
        self._position = replace(self._position, loss_sum=total)
        self._read_at = time.monotonic()

    def _tick(self) -> None:
        now = time.monotonic()
        spent, self._clock = now - self._clock, now
        position = self._position
        self._position = replace(
            position, epoch_s=position.epoch_s + spent, duration_s=position.duration_s + spent
        )

    def _mean_loss(self) -> float:
        begun = self._position.step - self._position.epochs * self._config.steps_per_epoch
        return self._position.loss_sum / max(begun, 1)

    def _not_a_number(self) -> InvalidData:
        return InvalidData(
            f"loss: not a number in epoch {self._position.epochs + 1}; the checkpoint before it is "
            f"kept. Lower optimizer.learning_rate ({self._config.optimizer.learning_rate}) or "
            "check the labels with check-data"
        )
