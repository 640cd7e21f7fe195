"""Runs that wait for a GPU: whose they are, and what of them was taken and answered."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

import numpy as np

from service.inference.session import Answer, Session
from service.inference.types import Pixels
from service.runtime.ticket import ClientGone, DeadlinePassed, Ticket


class Call:
    """A caller's run of a network, which may be answered in parts.

    Only `result` may be called without the lock of whoever hands out the work.

    Args:
        replicas: the network, once for each GPU.
        image: uint8 `[N, H, W, 3]`.
        ticket: of the request; None has no end.
    """

    def __init__(self, replicas: Sequence[Session], image: Pixels, ticket: Ticket | None) -> None:
        self.replicas = replicas
        self.image = image
        self.since = time.perf_counter()
        self._ticket = ticket
        self._taken = 0
        self._missing = len(image)
        self._answered: dict[int, Answer] = {}
        self._answer: Future[Answer] = Future()

    @property
    def left(self) -> int:
        """Rows that no GPU has taken."""
        return len(self.image) - self._taken

    def take(self, most: int) -> "Part":
        """The next rows, to be answered or failed by the caller."""
        start = self._taken
        self._taken = min(start + most, len(self.image))
        return Part(self, start, self._taken)

    def put(self, part: "Part", answer: Answer) -> None:
        """Answers the rows of a part."""
        self._answered[part.start] = answer
        self._missing -= part.rows
        if self._missing == 0 and not self._answer.done():
            self._answer.set_result(_joined([self._answered[at] for at in sorted(self._answered)]))

    def fail(self, error: Exception) -> None:
        """Raises the error in the thread that waits; the rows that are left are given up."""
        self._taken = len(self.image)
        if not self._answer.done():
            self._answer.set_exception(error)

    def expired(self) -> bool:
        """Whether nobody waits any more; the call has then failed."""
        if self._ticket is None:
            return False
        try:
            self._ticket.check()
        except (ClientGone, DeadlinePassed) as error:
            self.fail(error)
            return True
        return False

    def result(self) -> Answer:
        """Waits for the answer, no longer than the ticket allows.

        Raises:
            ClientGone: nobody waits for it any more.
            DeadlinePassed: it would come too late.
            Exception: that the call has failed with.
        """
        while not self._answer.done():
            if self._ticket is None:
                wait([self._answer])
            else:
                wait([self._answer], self._ticket.remaining_s)
                self._ticket.check()
        return self._answer.result()


@dataclass(frozen=True, slots=True)
class Part:
    """The rows from `start` up to `stop` of a call."""

    call: Call
    start: int
    stop: int

    @property
    def rows(self) -> int:
        return self.stop - self.start

    @property
    def image(self) -> Pixels:
        return self.call.image[self.start : self.stop]


def _joined(parts: Sequence[Answer]) -> Answer:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
