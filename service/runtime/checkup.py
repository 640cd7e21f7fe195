"""After a network failed: finds out whether it was that one input or whether nothing works."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from service.inference.errors import PoseError

_AGAIN_S = 5.0


class Checkup:
    """Tries the networks out after a failure, again and again until they work.

    A device that broke down fails every request until the process is started again, so the health
    routes have to tell; a picture that no network can take must not.

    Args:
        test: runs every network on a known picture.
        again_s: between two tests that failed.
    """

    def __init__(self, test: Callable[[], Awaitable[None]], again_s: float = _AGAIN_S) -> None:
        self._test = test
        self._again_s = again_s
        self._examination: asyncio.Task[None] | None = None
        self._failure: PoseError | None = None

    @property
    def failure(self) -> PoseError | None:
        """Why the networks do not work, as far as is known."""
        return self._failure

    def suspect(self) -> None:
        """A run has failed: starts to find out why, unless that is under way."""
        if self._examination is None or self._examination.done():
            self._examination = asyncio.create_task(self._examine())

    def close(self) -> None:
        if self._examination is not None:
            self._examination.cancel()

    async def _examine(self) -> None:
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
        while True:
            try:
                await self._test()
            except PoseError as error:
                self._failure = error
                logger.error("the networks do not work", reason=str(error))
                await asyncio.sleep(self._again_s)
            else:
                if self._failure is not None:
                    logger.info("the networks work again")
                self._failure = None
                return
