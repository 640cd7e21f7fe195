"""Admission: how many requests may be inside at once, and when the next one has a chance."""

import math
from collections.abc import Generator
from contextlib import contextmanager

from service.inference.errors import Overloaded

_FIRST_GUESS_S = 0.1
_SMOOTHING = 0.1
_RETRY_RANGE_S = (1, 60)


class Admission:
    """Counts the requests inside, from before their upload to their answer.

    Lives on the event loop, so it needs no lock. An admitted request holds its place while it
    uploads: this bounds the memory of all uploads together.

    Args:
        workers: requests that are worked on at the same time.
        max_waiting: further requests that may be inside.
    """

    def __init__(self, *, workers: int, max_waiting: int) -> None:
        self._workers = workers
        self._limit = workers + max_waiting
        self._inside = 0
        self._service_s = _FIRST_GUESS_S

    @property
    def inside(self) -> int:
        """Requests that were admitted and have no answer yet."""
        return self._inside

    @property
    def limit(self) -> int:
        """Requests that are admitted at once."""
        return self._limit

    @contextmanager
    def admit(self, *, also_inside: int = 0) -> Generator[None]:
        """Holds a place for the length of the block.

        Args:
            also_inside: places that are taken by work whose request has left.

        Raises:
            Overloaded: when every place is taken.
        """
        self.require_room(also_inside=also_inside)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def require_room(self, *, also_inside: int = 0) -> None:
        """Returns if `admit` would hold a place now.

        Raises:
            Overloaded: as `admit`.
        """
        inside = self._inside + also_inside
        if inside >= self._limit:
            raise Overloaded(
                f"{inside} requests are being served, expected fewer than {self._limit}; "
                "try again later.",
                retry_after_s=self.retry_after_s(),
            )

    def record(self, service_s: float) -> None:
        """Takes note of the seconds that a worker spent on a request."""
        self._service_s += _SMOOTHING * (service_s - self._service_s)

    def retry_after_s(self) -> int:
        """Seconds until those inside now are through, from the service time of late."""
        least, most = _RETRY_RANGE_S
        return min(most, max(least, math.ceil(self._inside * self._service_s / self._workers)))
