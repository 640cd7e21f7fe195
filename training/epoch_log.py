"""Writes what a run notes after each epoch: `log.csv`, and the same for TensorBoard."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from training.checkpoint import replace_file
from training.run_log import read_log


class EpochLog:
    """The rows of a run's epochs; each epoch has one, however often the run was interrupted.

    Args:
        folder: of the run.
        epochs: finished so far; rows of later ones belong to no checkpoint and are made again.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self._path = folder / "log.csv"
        self._rows: list[dict[str, float]] = [
            {**row, "epoch": int(row["epoch"])}
            for row in read_log(folder).epochs
            if row["epoch"] < epochs
        ]
        self._board = _board(folder / "tensorboard")

    def append(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Adds an epoch, counted from 0.

        Raises:
            TrainingFailed: the file cannot be written.
        """
        self._rows.append({"epoch": epoch, **figures})
        replace_file(self._path, self._write)
        if self._board is not None:
            self._board(epoch, figures)

    def _write(self, path: Path) -> None:
        columns = dict.fromkeys(name for row in self._rows for name in row)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(columns), restval="")
            writer.writeheader()
            writer.writerows(self._rows)


def _board(folder: Path) -> Any:
    """A function that writes the figures of an epoch; TensorBoard's files need TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(folder))

    def write(epoch: int, figures: Mapping[str, float]) -> None:
        with writer.as_default():
            for name, value in figures.items():
                tf.summary.scalar(name, value, step=epoch)
        writer.flush()

    return write
