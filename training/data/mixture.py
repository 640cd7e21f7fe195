"""Which sample of which set stands where in a run."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_SHUFFLE_PASS, _SHUFFLE_SET, _REPLACE = 0, 2, 3


class Mixture:
    """The endless row of samples that a run takes, the same for the same seed.

    The row is cut into passes of equal length. In each, a set of n samples with weight w has
    n * w places, at least one, at random. It fills them in a random order of its own, in which all
    of its samples come before one comes again: with weight 0.5 two passes show each sample once.

    Args:
        counts: samples of each set, none of them 0.
        weights: of each set.
        seed: decides every order.
    """

    def __init__(self, counts: Sequence[int], weights: Sequence[float], seed: int) -> None:
        self._counts = list(counts)
        self._seed = seed
        self._places = [
            max(1, round(count * weight)) for count, weight in zip(counts, weights, strict=True)
        ]
        self._starts = np.cumsum([0, *self._places])

    def __len__(self) -> int:
        """Places of one pass."""
        return int(self._starts[-1])

    def at(self, position: int) -> tuple[int, int]:
        """Set and sample at a position of the row, which counts from 0."""
        which_pass, place = divmod(position, len(self))
        slot = int(_order(len(self), self._seed, _SHUFFLE_PASS, which_pass)[place])
        which_set = int(np.searchsorted(self._starts, slot, side="right")) - 1
        taken = which_pass * self._places[which_set] + slot - int(self._starts[which_set])
        round_, index = divmod(taken, self._counts[which_set])
        order = _order(self._counts[which_set], self._seed, _SHUFFLE_SET, which_set, round_)
        return which_set, int(order[index])

    def instead(self, position: int, attempt: int) -> int:
        """A random sample of the same set for one that cannot be used; the first attempt is 1."""
        which_set, _ = self.at(position)
        rng = np.random.default_rng((self._seed, _REPLACE, position, attempt))
        return int(rng.integers(self._counts[which_set]))


# Room for every set of two neighbouring passes, which are in use at the same time.
@lru_cache(maxsize=256)
def _order(count: int, *seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count)
