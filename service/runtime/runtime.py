"""What lives as long as the process: the pipeline, its workers, and the way in and out."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeVar

from service.inference.errors import PoseError, ShuttingDown
from service.inference.estimator import PoseEstimator
from service.runtime.admission import Admission
from service.runtime.workers import Done, Workers

T = TypeVar("T")


class State(Enum):
    """Where the process stands; only `READY` takes requests."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


class NotReady(PoseError):
    """The networks are still being loaded."""


class Runtime:
    """Loads a pipeline, admits requests, does their work in threads, and drains.

    Args:
        load: opens the pipeline; runs in a thread.
        workers: threads.
        max_waiting: requests that may be inside beside those that the workers are at.
    """

    def __init__(
        self, load: Callable[[], PoseEstimator], *, workers: int, max_waiting: int
    ) -> None:
        self._load = load
        self._estimator: PoseEstimator | None = None
        self._loading: asyncio.Task[None] | None = None
        self._draining_since: float | None = None
        self.workers = Workers(workers)
        self.admission = Admission(workers=workers, max_waiting=max_waiting)

    @property
    def state(self) -> State:
        if self._draining_since is not None:
            return State.DRAINING
        return State.LOADING if self._estimator is None else State.READY

    @property
    def failure(self) -> BaseException | None:
        """Why the pipeline could not be loaded."""
        if self._loading is None or not self._loading.done() or self._loading.cancelled():
            return None
        return self._loading.exception()

    @property
    def draining_s(self) -> float:
        """Seconds since the drain began; 0 before."""
        since = self._draining_since
        return 0.0 if since is None else time.monotonic() - since

    def start(self, on_ready: Callable[[PoseEstimator], None]) -> None:
        """Begins to load the pipeline; the event loop goes on, so that probes are answered.

        Args:
            on_ready: called on the event loop with the loaded pipeline.
        """
        self._loading = asyncio.create_task(self._open(on_ready))

    def estimator(self) -> PoseEstimator:
        """The loaded pipeline.

        Raises:
            NotReady: while it is being loaded, or when that failed.
            ShuttingDown: once the drain has begun.
        """
        if self.state is State.DRAINING:
            raise ShuttingDown("The service is shutting down and takes no new requests.")
        if self.failure is not None:
            raise NotReady(f"The networks could not be loaded: {self.failure}")
        if self._estimator is None:
            raise NotReady("The networks are still being loaded; try again in a few seconds.")
        return self._estimator

    @contextmanager
    def admit(self) -> Generator[PoseEstimator]:
        """Holds a place for one request for the length of the block.

        Raises:
            NotReady: while the pipeline is being loaded.
            ShuttingDown: once the drain has begun.
            Overloaded: when every place is taken.
        """
        estimator = self.estimator()
        with self.admission.admit():
            yield estimator

    async def run(
        self, work: Callable[[], T], gone: Callable[[], Coroutine[Any, Any, None]]
    ) -> Done[T]:
        """Does an admitted request's work in a thread; see `Workers.run`."""
        done = await self.workers.run(work, gone)
        self.admission.record(done.work_s)
        return done

    def drain(self) -> None:
        """Takes no new requests from now on; safe in a signal handler."""
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    def close(self) -> None:
        """Ends the threads that have nothing to do."""
        if self._loading is not None:
            self._loading.cancel()
        self.workers.close()

    async def _open(self, on_ready: Callable[[PoseEstimator], None]) -> None:
        done = await self.workers.run(self._load, _never)
        on_ready(done.value)
        self._estimator = done.value


async def _never() -> None:
    await asyncio.Event().wait()
