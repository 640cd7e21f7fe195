"""Batches of samples in a reproducible order, made by any thread."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels
from training.config import AugmentConfig, TrainConfig
from training.data.broken import BrokenPictures
from training.data.mixture import Mixture
from training.data.pictures import BrokenPicture

# With at most a tenth of the pictures broken, a sample fails this often once in 10^9.
_MAX_ATTEMPTS = 10
ALL = slice(None)


class Samples(Protocol):
    """A data set whose samples can be made in any order, by any thread."""

    def __len__(self) -> int: ...

    @property
    def num_pictures(self) -> int:
        """Different pictures of all samples."""
        ...

    def sample(
        self, index: int, rng: np.random.Generator, augment: AugmentConfig | None
    ) -> tuple[Pixels, Floats]:
        """Input uint8 `[H, W, 3]` and float32 target of sample `index`.

        Raises:
            BrokenPicture: a picture cannot be read.
        """
        ...


class TrainingBatches:
    """Augmented batches, one for each step of a run.

    Position n of the run decides sample and augmentation alone, whatever thread makes it, so a
    resumed run sees what an uninterrupted one would have seen; `Mixture` says which sample it is.

    Args:
        sets: the samples of each of `config.data.train`.
        config: of the run.

    Raises:
        InvalidData: a set has no samples.
    """

    def __init__(self, sets: Sequence[Samples], config: TrainConfig) -> None:
        names = [str(data.annotations) for data in config.data.train]
        _check_filled(names, [len(samples) for samples in sets])
        self._sets = sets
        self._mixture = Mixture(
            [len(samples) for samples in sets],
            [data.weight for data in config.data.train],
            config.seed,
        )
        self._broken = BrokenPictures(
            config.data.broken_pictures, names, [samples.num_pictures for samples in sets]
        )
        self._config = config

    def batch(self, step: int, rows: slice = ALL) -> tuple[Pixels, Floats]:
        """Inputs uint8 `[N, H, W, 3]` and float32 targets of a step, which count from 0.

        Args:
            step: of the run.
            rows: of the batch that are wanted.

        Raises:
            InvalidData: a picture cannot be read.
        """
        size = self._config.batch_size
        made = [self._sample(at) for at in range(step * size, (step + 1) * size)[rows]]
        return np.stack([row[0] for row in made]), np.stack([row[1] for row in made])

    def on_epoch_end(self) -> None:
        """Says how many pictures were left out so far, if any were."""
        self._broken.summarise()

    def _sample(self, position: int) -> tuple[Pixels, Floats]:
        which_set, index = self._mixture.at(position)
        for attempt in range(_MAX_ATTEMPTS):
            if attempt:
                index = self._mixture.instead(position, attempt)
            rng = np.random.default_rng((self._config.seed, 1, position))
            try:
                return self._sets[which_set].sample(index, rng, self._augment(position))
            except BrokenPicture as error:
                self._broken.report(which_set, error)
        raise InvalidData(
            f"data.train: {_MAX_ATTEMPTS} samples in a row had pictures that could not be read"
        )

    def _augment(self, position: int) -> AugmentConfig:
        epoch = position // (self._config.steps_per_epoch * self._config.batch_size)
        weak_from = (1 - self._config.weak_fraction) * self._config.epochs
        augment = self._config.augment
        return augment.weak() if epoch >= weak_from else augment


def _check_filled(names: Sequence[str], counts: Sequence[int]) -> None:
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    if empty or not names:
        raise InvalidData(f"data.train: no labelled samples in {', '.join(empty) or 'no file'}")
