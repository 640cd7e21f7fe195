"""The threads that decode pictures and run the networks."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


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
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="pose-worker")
        self._lock = threading.Lock()
        self._submitted = 0
        self._running = 0

    @property
    def waiting(self) -> int:
        """Pieces of work that no thread has begun."""
        return max(0, self._submitted - self._running)

    @property
    def running(self) -> int:
        """Pieces of work that a thread is at."""
        return self._running

    async def run(
        self, work: Callable[[], T], gone: Callable[[], Coroutine[Any, Any, None]]
    ) -> Done[T]:
        """Does a piece of work in a thread and waits for it.

        Work that has begun is waited for even if the client has left, since nothing can stop a
        thread: so whoever counts requests counts it until it has ended.

        Args:
            work: runs in the thread.
            gone: returns when nobody waits for the answer any more.

        Raises:
            ClientGone: `gone` returned before a thread had begun; the work is dropped.
        """
        submitted = time.perf_counter()

        def timed() -> Done[T]:
            started = time.perf_counter()
            with self._at_work():
                value = work()
            return Done(value, started - submitted, time.perf_counter() - started)

        future = self._pool.submit(timed)
        answer = asyncio.wrap_future(future)
        watcher = asyncio.create_task(gone())
        both: set[asyncio.Future[Any]] = {answer, watcher}
        self._submitted += 1
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and future.cancel():
                raise ClientGone
            return await answer
        finally:
            self._submitted -= 1
            watcher.cancel()
            answer.cancel()

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
