"""What lives as long as the process: the pipelines, their workers, and the way in and out."""

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

import structlog

from service.inference.errors import InferenceFailed, PoseError, ShuttingDown
from service.inference.estimator import PoseEstimator
from service.runtime.admission import Admission
from service.runtime.checkup import Checkup
from service.runtime.pipelines import Models, Pipelines
from service.runtime.ticket import Ticket
from service.runtime.workers import Done, Workers

T = TypeVar("T")


class State(Enum):
    """Where the process stands; only `READY` takes requests."""

    LOADING = "loading"
    READY = "ready"
    FAILING = "failing"
    DRAINING = "draining"


class NotReady(PoseError):
    """The networks are still being loaded, or do not work."""


class Runtime:
    """Loads pipelines, admits requests, does their work in threads, and drains.

    Args:
        models: where pipelines come from.
        pipelines: to load at the start; the first is the default.
        workers: threads.
        max_waiting: requests that may be inside beside those that the workers are at.
        max_streams: connections that may send frame after frame; their frames are requests.
        reload_interval_s: between two looks for changed files; None never looks.
    """

    def __init__(
        self,
        models: Models,
        pipelines: Sequence[str],
        *,
        workers: int,
        max_waiting: int,
        max_streams: int = 8,
        reload_interval_s: float | None = None,
    ) -> None:
        self._names = pipelines
        self._reload_interval_s = reload_interval_s
        self._loaded = False
        self._loading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._draining_since: float | None = None
        self._on_change: Callable[[Mapping[str, PoseEstimator]], None] = _ignore
        self._on_refusal: Callable[[str], None] = _ignore
        self.pipelines = Pipelines(
            models,
            pipelines[0],
            changed=lambda estimators: self._on_change(estimators),
            refused=lambda name: self._on_refusal(name),
        )
        self.workers = Workers(workers)
        self.admission = Admission(workers=workers, max_waiting=max_waiting)
        self.streams = Admission(workers=max_streams, max_waiting=0)
        self.checkup = Checkup(self.pipelines.check)

    @property
    def state(self) -> State:
        if self._draining_since is not None:
            return State.DRAINING
        if not self._loaded:
            return State.LOADING
        return State.READY if self.checkup.failure is None else State.FAILING

    @property
    def failure(self) -> BaseException | None:
        """Why the pipelines could not be loaded at the start."""
        if self._loading is None or not self._loading.done() or self._loading.cancelled():
            return None
        return self._loading.exception()

    @property
    def draining_s(self) -> float:
        """Seconds since the drain began; 0 before."""
        since = self._draining_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def inside(self) -> int:
        """Requests that were admitted and have no answer yet, or whose work goes on after it."""
        return self.admission.inside + self.workers.overdue

    def start(
        self,
        *,
        on_change: Callable[[Mapping[str, PoseEstimator]], None],
        on_refusal: Callable[[str], None],
    ) -> None:
        """Begins to load the pipelines; the event loop goes on, so that probes are answered.

        Args:
            on_change: called on the event loop with all loaded pipelines after each change.
            on_refusal: called with the name of a pipeline whose new files cannot be used.
        """
        self._on_change, self._on_refusal = on_change, on_refusal
        self._loading = asyncio.create_task(self._load())

    def require_ready(self) -> None:
        """Returns if requests are taken.

        Raises:
            NotReady: while pipelines are being loaded, when that failed, or when they do not work.
            ShuttingDown: once the drain has begun.
        """
        if self.state is State.DRAINING:
            raise ShuttingDown("The service is shutting down and takes no new requests.")
        if self.failure is not None:
            raise NotReady(f"The networks could not be loaded: {self.failure}")
        if self.state is State.LOADING:
            raise NotReady("The networks are still being loaded; try again in a few seconds.")
        if self.checkup.failure is not None:
            raise NotReady(f"The networks do not work: {self.checkup.failure}")

    def require_room(self) -> None:
        """Returns if a request would be admitted now, whatever its pipeline.

        Raises:
            NotReady, ShuttingDown: as `require_ready`.
            Overloaded: when every place is taken.
        """
        self.require_ready()
        self.admission.require_room(also_inside=self.workers.overdue)

    @contextmanager
    def admit(self, pipeline: str | None = None) -> Generator[PoseEstimator]:
        """Holds a place for one request for the length of the block.

        Args:
            pipeline: by name; by default the default one.

        Raises:
            NotReady, ShuttingDown: as `require_ready`.
            UnknownPipeline: no such pipeline is loaded.
            Overloaded: when every place is taken.
        """
        self.require_ready()
        estimator = self.pipelines.get(pipeline)
        with self.admission.admit(also_inside=self.workers.overdue):
            yield estimator

    async def run(self, work: Callable[[], T], ticket: Ticket) -> Done[T]:
        """Does an admitted request's work in a thread; see `Workers.run`.

        Raises:
            InferenceFailed: a network failed; whether it works at all is then found out.
        """
        try:
            done = await self.workers.run(work, ticket)
        except InferenceFailed:
            self.checkup.suspect()
            raise
        self.admission.record(done.work_s)
        return done

    def drain(self) -> None:
        """Takes no new requests from now on; safe in a signal handler."""
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    def close(self) -> None:
        """Ends the threads that have nothing to do."""
        for task in (self._loading, self._watching):
            if task is not None:
                task.cancel()
        self.checkup.close()
        self.workers.close()
        self.pipelines.close()

    async def _load(self) -> None:
        for name in self._names:
            await self.pipelines.load(name)
        self._loaded = True
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
        logger.info("ready", pipelines=list(self._names))
        if self._reload_interval_s is not None:
            self._watching = asyncio.create_task(self._watch(self._reload_interval_s))

    async def _watch(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self.pipelines.refresh()


def _ignore(_change: object) -> None:
    pass
