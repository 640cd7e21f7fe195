"""Reads what a run noted after each epoch: `log.csv` in its folder."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.inference.errors import InvalidData

PRIMARY = "val_AP"
VALIDATION_PREFIX = "val_"


@dataclass(frozen=True, slots=True)
class RunLog:
    """The figures of a run by epoch.

    Attributes:
        epochs: one figure by name for each finished epoch, in ascending order of `epoch`, which
            counts from 0; an epoch without a measurement has no `val_` figures.
    """

    epochs: Sequence[Mapping[str, float]]

    @property
    def epochs_done(self) -> int:
        """How many epochs have ended."""
        return int(self.epochs[-1]["epoch"]) + 1 if self.epochs else 0

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """The finished epochs (from 1) that have a figure, and its values."""
        points = [(int(row["epoch"]) + 1, row[name]) for row in self.epochs if name in row]
        return [epoch for epoch, _ in points], [value for _, value in points]

    def best(self) -> Mapping[str, float] | None:
        """The epoch with the highest validation AP; None if none was measured."""
        measured = [row for row in self.epochs if PRIMARY in row]
        return max(measured, key=lambda row: row[PRIMARY], default=None)

    def total(self, name: str) -> float | None:
        """The sum of a figure over the epochs; None if no epoch has it."""
        _, values = self.curve(name)
        return sum(values) if values else None


def read_log(folder: Path) -> RunLog:
    """The log of a run; empty before the first epoch's end.

    An epoch that was run again after a kill counts once, as it was the last time.

    Raises:
        InvalidData: the file is there and cannot be read.
    """
    path = folder / "log.csv"
    if not path.exists():
        return RunLog(())
    try:
        with path.open(newline="") as file:
            rows = [_figures(row) for row in csv.DictReader(file)]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise InvalidData(f"run: {path} cannot be read: {error}") from error
    by_epoch = {row["epoch"]: row for row in rows if "epoch" in row}
    return RunLog(tuple(by_epoch[epoch] for epoch in sorted(by_epoch)))


def _figures(row: Mapping[str | None, str | list[str] | None]) -> dict[str, float]:
    """The cells that are numbers: the last line may be half written."""
    figures: dict[str, float] = {}
    for name, text in row.items():
        if name is None or not isinstance(text, str):
            continue
        try:
            figures[name] = float(text)
        except ValueError:
            continue
    return figures
