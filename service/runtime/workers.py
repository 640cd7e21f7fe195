"""The threads that decode pictures and run the networks."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from service.inference.errors import ShuttingDown
from service.runtime.ticket import ClientGone, DeadlinePassed, Ticket

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a piece of work gave, the seconds that it waited and the seconds that it took."""

    value: T
    queue_s: float
    work_s: float


class Workers:
    """A fixed number of threads with one queue.

    Args:
        count: of threads.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="pose-worker")
        self._lock = threading.Lock()
        self._submitted = 0
        self._running = 0
        self._overdue = 0
        self._dropped = {"client-gone": 0, "deadline-passed": 0}

    @property
    def waiting(self) -> int:
        """Pieces of work that no thread has begun."""
        return max(0, self._submitted - self._running)

    @property
    def running(self) -> int:
        """Pieces of work that a thread is at."""
        return self._running

    @property
    def overdue(self) -> int:
        """Pieces of work that a thread is still at though their deadline has passed."""
        return self._overdue

    @property
    def dropped(self) -> Mapping[str, int]:
        """Pieces of work that were given up before a network ran, by reason."""
        return self._dropped

    async def run(self, work: Callable[[], T], ticket: Ticket) -> Done[T]:
        """Does a piece of work in a thread and waits for it.

        Work that has begun is waited for even if the client has left, since nothing can stop a
        thread: so whoever counts requests counts it until it has ended. Only a deadline is told
        at once; the work then counts as `overdue` until it has ended.

        Args:
            work: runs in the thread; it may ask the ticket between its steps.
            ticket: work that has not begun is dropped when it is no longer alive.

        Raises:
            ClientGone: the client left before a thread had begun.
            DeadlinePassed: there was no result in time.
            ShuttingDown: the threads were closed before one had begun.
        """
        end = ticket.end
        if end is not None:
            self._count_dropped(end)
            raise end
        submitted = time.perf_counter()

        def timed() -> Done[T]:
            ticket.check()
            started = time.perf_counter()
            with self._at_work():
                value = work()
            return Done(value, started - submitted, time.perf_counter() - started)

        future = self._pool.submit(timed)
        answer = asyncio.wrap_future(future)
        self._submitted += 1
        answer.add_done_callback(partial(self._ended, ticket))
        ticket.on_cancel(future.cancel)
        try:
            await asyncio.wait({answer}, timeout=ticket.remaining_s)
        except asyncio.CancelledError:
            future.cancel()
            raise
        if answer.done():
            return _result(answer, ticket)
        if not future.cancel():
            self._overdue += 1
            answer.add_done_callback(self._caught_up)
        raise ticket.passed()

    def close(self) -> None:
        """Drops what no thread has begun; threads that are at work end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _at_work(self) -> Generator[None]:
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _ended(self, ticket: Ticket, answer: "asyncio.Future[Done[T]]") -> None:
        self._submitted -= 1
        # Nobody may be left to ask for the error, which asyncio would complain of.
        self._count_dropped(ticket.end if answer.cancelled() else answer.exception())

    def _count_dropped(self, end: BaseException | None) -> None:
        match end:
            case ClientGone():
                self._dropped["client-gone"] += 1
            case DeadlinePassed():
                self._dropped["deadline-passed"] += 1
            case _:
                pass

    def _caught_up(self, _answer: "asyncio.Future[Done[T]]") -> None:
        self._overdue -= 1


def _result(answer: "asyncio.Future[Done[T]]", ticket: Ticket) -> Done[T]:
    if answer.cancelled():
        ticket.check()
        raise ShuttingDown("The service is shutting down; the request was not begun.")
    return answer.result()
