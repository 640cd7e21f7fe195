"""The loaded pipelines: opened, replaced and removed while requests go on.

A request keeps the pipeline that it was admitted with, so nothing is lost when another one takes
its name; the networks are freed with the last request that uses them.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog

from service.inference.errors import InvalidBundle, PoseError
from service.inference.estimator import PoseEstimator

T = TypeVar("T")


class UnknownPipeline(PoseError):
    """No pipeline of that name is loaded."""


class PipelineInUse(PoseError):
    """The pipeline cannot be unloaded."""


class Models(Protocol):
    """Where pipelines come from; its methods block and are called in a thread."""

    def open(self, name: str) -> PoseEstimator:
        """Opens a pipeline and tries it out.

        Raises:
            PoseError: it is not known, not as it should be, or cannot run here.
        """
        ...

    def fingerprint(self, name: str) -> Hashable:
        """Changes when `open` would give another pipeline.

        Raises:
            PoseError: it is not known or not as it should be.
        """
        ...

    def check(self, estimator: PoseEstimator) -> None:
        """Tries a pipeline out.

        Raises:
            PoseError: it fails, or its answer is not sane.
        """
        ...

    def close(self) -> None:
        """Frees what pipelines share."""
        ...


@dataclass(frozen=True, slots=True)
class _Loaded:
    estimator: PoseEstimator
    fingerprint: Hashable


class Pipelines:
    """The loaded pipelines by name; lives on the event loop.

    Args:
        models: opens them, one at a time in a thread of its own.
        default: the pipeline of requests that name none.
        changed: called after each change with the pipelines that are loaded.
        refused: called with a pipeline's name when it cannot be opened.
    """

    def __init__(
        self,
        models: Models,
        default: str,
        *,
        changed: Callable[[Mapping[str, PoseEstimator]], None],
        refused: Callable[[str], None],
    ) -> None:
        self.default = default
        self._models = models
        self._changed = changed
        self._refused = refused
        self._loaded: dict[str, _Loaded] = {}
        # Of files that changed: a network that is still being copied is not opened.
        self._seen: dict[str, Hashable] = {}
        self._bad: dict[str, Hashable] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pose-loader")
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")

    @property
    def estimators(self) -> Mapping[str, PoseEstimator]:
        """What is loaded."""
        return {name: loaded.estimator for name, loaded in self._loaded.items()}

    def get(self, name: str | None = None) -> PoseEstimator:
        """A loaded pipeline, by default the default one.

        Raises:
            UnknownPipeline: it is not loaded.
        """
        loaded = self._loaded.get(name or self.default)
        if loaded is None:
            known = ", ".join(sorted(self._loaded))
            raise UnknownPipeline(f"pipeline is {name!r}; expected a loaded one: {known}")
        return loaded.estimator

    async def load(self, name: str) -> PoseEstimator:
        """Opens a pipeline; one of the same name serves until the new one can.

        Raises:
            PoseError: it cannot be used; what was loaded stays.
        """
        try:
            loaded = await self._in_thread(partial(self._open, name))
        except PoseError:
            self._refused(name)
            raise
        self._loaded[name] = loaded
        self._changed(self.estimators)
        return loaded.estimator

    def unload(self, name: str) -> None:
        """Takes no new requests for a pipeline.

        Raises:
            UnknownPipeline: it is not loaded.
            PipelineInUse: it is the default one.
        """
        self.get(name)
        if name == self.default:
            raise PipelineInUse(
                f"{name!r} is the default pipeline; expected another one, this one stays loaded"
            )
        del self._loaded[name]
        self._changed(self.estimators)

    async def refresh(self) -> None:
        """Opens again every pipeline whose files have changed and then stayed as they are.

        What cannot be used is logged once, and the pipeline that was loaded goes on.
        """
        for name, loaded in list(self._loaded.items()):
            found = await self._in_thread(partial(self._fingerprint, name))
            settled = self._seen.get(name) == found
            self._seen[name] = found
            if not settled or found in (loaded.fingerprint, self._bad.get(name)):
                continue
            try:
                await self.load(name)
            except PoseError as error:
                self._bad[name] = found
                self._logger.error("reload refused", pipeline=name, reason=str(error))

    async def check(self) -> None:
        """Tries out every loaded pipeline.

        Raises:
            PoseError: one fails.
        """
        for estimator in self.estimators.values():
            await self._in_thread(partial(self._models.check, estimator))

    def close(self) -> None:
        """Opens nothing more, and frees what pipelines share."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._models.close()

    def _open(self, name: str) -> _Loaded:
        # The fingerprint first: what changes while the files are read is seen by the next refresh.
        fingerprint = self._fingerprint(name)
        return _Loaded(self._models.open(name), fingerprint)

    def _fingerprint(self, name: str) -> Hashable:
        try:
            return self._models.fingerprint(name)
        except InvalidBundle as error:
            # Whoever opens it gets the error; here it only has to differ from a usable state.
            return str(error)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
