"""Batches of samples in a reproducible order, prepared by threads."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import keras
import numpy as np
import numpy.typing as npt

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels
from training.config import AugmentConfig, TrainConfig


class Samples(Protocol):
    """A data set whose samples can be made in any order, by any thread."""

    def __len__(self) -> int: ...

    def sample(
        self, index: int, rng: np.random.Generator, augment: AugmentConfig | None
    ) -> tuple[Pixels, Floats]:
        """Input uint8 `[H, W, 3]` and float32 target of sample `index`."""
        ...


class TrainingBatches(keras.utils.PyDataset):
    """Augmented batches of one epoch after another.

    Position n of the run decides sample and augmentation alone, whatever thread makes it, so a
    resumed run sees what an uninterrupted one would have seen. A pass over the data takes each set
    `weight` times; epochs cut the endless row of passes into pieces of `epoch_samples`.

    Attributes:
        epoch: whose batches to give; `StartEpoch` sets it.
    """

    def __init__(self, sets: Sequence[tuple[Samples, float]], config: TrainConfig) -> None:
        super().__init__(workers=config.data.workers, max_queue_size=8)
        if not any(len(samples) for samples, _ in sets):
            raise InvalidData("data.train: no labelled samples in any of the files")
        self._sets = [samples for samples, _ in sets]
        self._pass = np.concatenate(
            [_repeated(which, len(samples), weight) for which, (samples, weight) in enumerate(sets)]
        )
        self._config = config
        self.epoch = 0

    @property
    def num_batches(self) -> int:
        return self._config.steps_per_epoch

    def __getitem__(self, index: int) -> tuple[Pixels, Floats]:
        size = self._config.batch_size
        start = (self.epoch * self.num_batches + index) * size
        rows = [self._sample(position) for position in range(start, start + size)]
        return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])

    def _sample(self, position: int) -> tuple[Pixels, Floats]:
        which_pass, place = divmod(position, len(self._pass))
        row = _order(self._config.seed, which_pass, len(self._pass))[place]
        which_set, index = int(self._pass[row, 0]), int(self._pass[row, 1])
        rng = np.random.default_rng((self._config.seed, 1, position))
        return self._sets[which_set].sample(index, rng, self._augment())

    def _augment(self) -> AugmentConfig:
        weak_from = (1 - self._config.weak_fraction) * self._config.epochs
        augment = self._config.augment
        return augment.weak() if self.epoch >= weak_from else augment


@lru_cache(maxsize=4)
def _order(seed: int, which_pass: int, count: int) -> npt.NDArray[np.int64]:
    """A permutation of a pass; the threads of two neighbouring passes share the cache."""
    return np.random.default_rng((seed, 0, which_pass)).permutation(count)


def _repeated(which: int, count: int, weight: float) -> npt.NDArray[np.int64]:
    """Rows (set, sample), each sample about `weight` times; int `[n, 2]`."""
    indices = np.arange(round(count * weight)) % max(count, 1)
    return np.column_stack([np.full(len(indices), which), indices])
