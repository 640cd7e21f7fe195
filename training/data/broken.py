"""What becomes of pictures that cannot be read while a network trains."""

import threading
from collections.abc import Sequence
from pathlib import Path

from service.inference.errors import InvalidData
from training.config import OnBrokenPicture
from training.data.pictures import BrokenPicture
from training.notices import warn

_MAX_FRACTION = 0.1


class BrokenPictures:
    """Ends the run at a broken picture, or counts it, warns once and lets the run go on.

    A set of which more than a tenth is broken ends the run in any case: the folder is then more
    likely wrong than the pictures. All methods may be called by any thread.

    Args:
        choice: `error` or `skip`.
        names: of the sets, for messages.
        totals: pictures of each set.
    """

    def __init__(
        self, choice: OnBrokenPicture, names: Sequence[str], totals: Sequence[int]
    ) -> None:
        self._choice = choice
        self._names = names
        self._totals = totals
        self._lock = threading.Lock()
        self._paths: list[dict[Path, str]] = [{} for _ in names]

    def report(self, which_set: int, error: BrokenPicture) -> None:
        """Takes note of a picture of a set.

        Raises:
            InvalidData: the run shall not go on.
        """
        if self._choice == "error":
            raise InvalidData(
                f"{error}. Mend it, or leave it out with data.broken_pictures = skip; check-data "
                "names every such picture"
            ) from error
        with self._lock:
            paths = self._paths[which_set]
            if error.path in paths:
                return
            paths[error.path] = str(error)
            count, total = len(paths), self._totals[which_set]
        if count > _MAX_FRACTION * total:
            raise InvalidData(
                f"data.train: {count} of the {total} pictures of {self._names[which_set]} could "
                f"not be read, more than {_MAX_FRACTION:.0%}; the last: {error}"
            ) from error
        warn(f"{error}; another sample takes its place")

    def summarise(self) -> None:
        """Says on stderr how many pictures were left out so far, if any were."""
        with self._lock:
            problems = [problem for paths in self._paths for problem in paths.values()]
        if problems:
            noun = "picture" if len(problems) == 1 else "pictures"
            warn(f"{len(problems)} {noun} could not be read so far (first: {problems[0]})")
