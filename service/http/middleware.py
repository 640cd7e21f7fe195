"""What happens around every request: its id, its line in the log, its count in the metrics."""

import re
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.metrics import Metrics
from service.http.notes import PROBES, Notes
from service.http.trace_context import caller_trace

if TYPE_CHECKING:
    from service.http.tracing import Tracing

REQUEST_ID = "X-Request-Id"
SERVER_TIMING = "Server-Timing"
UNMATCHED = "unmatched"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_ID_KEY, _PROBLEM_KEY = "request_id", "problem"


def request_id_of(scope: Scope) -> str:
    """The id of a request that passed the middleware."""
    return str(_state(scope).get(_ID_KEY, ""))


def set_problem(scope: Scope, slug: str) -> None:
    """Notes for the log and the metrics why a request was not answered."""
    _state(scope)[_PROBLEM_KEY] = slug


class Observe:
    """Gives each request an id, logs it, counts it and tells where its time went.

    Plain ASGI: Starlette's `BaseHTTPMiddleware` would hide the client's disconnect.

    Args:
        app: what answers.
        metrics: counts.
        tracing: gets the stages of requests, if spans are made.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: "Tracing | None" = None) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = self._begin(scope)
        notes = Notes()
        notes.begin()
        # What an exception becomes: the error handler outside of this middleware answers 500.
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                timing = _server_timing(notes, time.perf_counter() - started)
                if timing:
                    headers[SERVER_TIMING] = timing
            await send(message)

        async def receive_with_clock() -> Message:
            message = await receive()
            if message["type"] == "http.request" and (message.get("body") or notes.upload_s):
                notes.upload_s = time.perf_counter() - started
            return message

        try:
            await self._app(scope, receive_with_clock, send_with_headers)
        finally:
            self._record(scope, notes, status, time.perf_counter() - started)

    def _begin(self, scope: Scope) -> str:
        """The request's id, which every log line of the request will have."""
        headers = Headers(scope=scope)
        request_id = _sane_id(headers.get(REQUEST_ID))
        _state(scope)[_ID_KEY] = request_id
        trace = caller_trace(headers.get("traceparent"))
        if self._tracing is not None:
            trace |= self._tracing.ids()
            self._tracing.describe({_ID_KEY: request_id})
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, **trace)
        return request_id

    def _record(self, scope: Scope, notes: Notes, status: int, elapsed_s: float) -> None:
        route = str(getattr(scope.get("route"), "path", UNMATCHED))
        reason = cast("str | None", _state(scope).get(_PROBLEM_KEY))
        self._metrics.count_request(route, status, elapsed_s)
        quiet = route in PROBES
        if notes.upload_s is not None:
            self._metrics.observe_stage("upload", notes.upload_s)
        if self._tracing is not None:
            self._tracing.add_stages(notes)
        if reason is not None and not quiet:
            self._metrics.count_rejection(reason)
        fields: Mapping[str, object] = {
            "method": scope["method"],
            "path": scope["path"],
            "route": route,
            "status": status,
            "ms": round(elapsed_s * 1000, 1),
            **notes.fields(),
            **({} if reason is None else {"problem": reason}),
        }
        if quiet:
            self._logger.debug("request", **fields)
        else:
            self._logger.info("request", **fields)


def _server_timing(notes: Notes, elapsed_s: float) -> str:
    """Milliseconds by stage of a request that was worked on, and until its answer began."""
    stages_ms = notes.stages_ms()
    if not stages_ms:
        return ""
    stages_ms["request"] = elapsed_s * 1000
    return ", ".join(f"{stage};dur={ms:.2f}" for stage, ms in stages_ms.items())


def _sane_id(given: str | None) -> str:
    """The client's id if it is short and plain, otherwise a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


def _state(scope: Scope) -> dict[str, Any]:
    return cast("dict[str, Any]", scope.setdefault("state", {}))
