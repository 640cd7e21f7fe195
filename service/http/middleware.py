"""What happens around every request: its id, its line in the log, its count in the metrics."""

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, cast

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.metrics import Metrics

REQUEST_ID = "X-Request-Id"
UNMATCHED = "unmatched"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_QUIET_ROUTES = frozenset({"/health/live", "/health/ready", "/metrics"})
_ID_KEY, _PROBLEM_KEY = "request_id", "problem"


def request_id_of(scope: Scope) -> str:
    """The id of a request that passed the middleware."""
    return str(_state(scope).get(_ID_KEY, ""))


def set_problem(scope: Scope, slug: str) -> None:
    """Notes for the log and the metrics why a request was not answered."""
    _state(scope)[_PROBLEM_KEY] = slug


class Observe:
    """Gives each request an id, logs it and counts it.

    Plain ASGI: Starlette's `BaseHTTPMiddleware` would hide the client's disconnect.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _sane_id(Headers(scope=scope).get(REQUEST_ID))
        _state(scope)[_ID_KEY] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        # What an exception becomes: the error handler outside of this middleware answers 500.
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = str(getattr(scope.get("route"), "path", UNMATCHED))
        reason = cast("str | None", _state(scope).get(_PROBLEM_KEY))
        self._metrics.count_request(route, status, elapsed_s)
        quiet = route in _QUIET_ROUTES
        if reason is not None and not quiet:
            self._metrics.count_rejection(reason)
        fields: Mapping[str, object] = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round(elapsed_s * 1000, 1),
            **({} if reason is None else {"problem": reason}),
        }
        if quiet:
            self._logger.debug("request", **fields)
        else:
            self._logger.info("request", **fields)


def _sane_id(given: str | None) -> str:
    """The client's id if it is short and plain, otherwise a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


def _state(scope: Scope) -> dict[str, Any]:
    return cast("dict[str, Any]", scope.setdefault("state", {}))
