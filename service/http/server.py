"""uvicorn, taught to stay reachable while it drains and to stop when nothing can be loaded."""

import asyncio
import signal
import socket
from functools import partial
from types import FrameType
from typing import cast

import structlog
import uvicorn
from fastapi import FastAPI

from service.http.door import Refusals
from service.http.limits import connection_limits
from service.http.metrics import Metrics
from service.http.protocol import LimitedProtocol
from service.runtime.runtime import Runtime
from service.settings import Settings

_LEAST_GRACE_S = 1
_TICKS_PER_LOOK = 5
"""uvicorn ticks ten times a second."""


class DrainingServer(uvicorn.Server):
    """A server whose first SIGTERM or SIGINT drains: probes are answered until the last request.

    uvicorn by itself closes its socket at once, so that no probe could see the service unready.
    A second signal stops without waiting.

    Args:
        app: made by `create_app`.
        settings: address and limits.
        runtime: of the application.

    Raises:
        InvalidInput: the process may not open as many files as connections are allowed.
    """

    def __init__(self, app: FastAPI, settings: Settings, runtime: Runtime) -> None:
        metrics: Metrics = app.state.metrics
        metrics.watch_connections(lambda: len(self.server_state.connections))
        protocol = partial(
            LimitedProtocol, limits=connection_limits(settings), refused=Refusals(metrics)
        )
        super().__init__(
            uvicorn.Config(
                app,
                http=cast("type[asyncio.Protocol]", protocol),
                host=settings.host,
                port=settings.port,
                lifespan="on",
                # Not by compression: a small message could unpack to anything.
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_max_size=settings.max_upload_bytes,
                log_config=None,
                access_log=False,
                server_header=False,
            )
        )
        self._runtime = runtime
        self._drain_timeout_s = settings.drain_timeout_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
        logger.info("listening", url=f"http://{self.config.host}:{self.config.port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig in (signal.SIGTERM, signal.SIGINT) and self._runtime.draining_s == 0:
            self._runtime.drain()
        else:
            super().handle_exit(sig, frame)
            self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        busy = self._runtime.inside + self._runtime.streams.inside
        drained = self._runtime.draining_s > 0 and busy == 0
        overdue = self._runtime.draining_s >= self._drain_timeout_s
        if drained or overdue or self._runtime.failure is not None:
            remaining_s = self._drain_timeout_s - self._runtime.draining_s
            # For what is still being written to clients.
            self.config.timeout_graceful_shutdown = max(_LEAST_GRACE_S, round(remaining_s))
            self.should_exit = True
        if counter % _TICKS_PER_LOOK == 0:
            self._close_what_waits_too_long()
        return await super().on_tick(counter)

    def _close_what_waits_too_long(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, LimitedProtocol):
                connection.expire(now)
