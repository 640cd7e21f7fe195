"""What every request passes on its way in and every answer on its way out."""

from collections.abc import Collection
from typing import cast

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http import openapi, problems
from service.http.headers import EXPOSED, TAKEN, SecureHeaders
from service.http.keys import Keys, require_key
from service.http.limits import TooManyConnections, is_crowded
from service.http.metrics import Metrics
from service.http.notes import PROBES
from service.http.schemas import Problem
from service.inference.errors import PoseError
from service.runtime.runtime import Runtime
from service.settings import Settings

OPEN_PATHS = PROBES | {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}
"""What needs no key: probes, metrics and the description, which tell nothing about a picture.

So do the files of the page, which `install` is told.
"""
_CROWDED_RETRY_S = 1
_WORK_PATHS = frozenset({"/predict", "/predict/batch", "/predict/video"})
"""Where a full service says so before anything is made of the request: it should cost little."""


class Door:
    """Turns away, before a body is read, who comes one too many or has no key.

    Args:
        keys: that are asked for.
        open_paths: that need none.
        runtime: that may be full.
    """

    def __init__(
        self, app: ASGIApp, keys: Keys, open_paths: Collection[str], runtime: Runtime
    ) -> None:
        self._app = app
        self._keys = keys
        self._open_paths = open_paths
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except PoseError as error:
            note_route(scope)
            response = await problems.answer(Request(scope), error)
            if isinstance(error, TooManyConnections):
                response.headers["Connection"] = "close"
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if is_crowded(scope) and scope["path"] not in PROBES:
            raise TooManyConnections(
                "all connections that may be open are busy; try again later.",
                retry_after_s=_CROWDED_RETRY_S,
            )
        if self._keys.required and scope["path"] not in self._open_paths:
            require_key(self._keys, scope)
        if scope["method"] == "POST" and scope["path"] in _WORK_PATHS:
            self._runtime.require_room()


def note_route(scope: Scope) -> None:
    """Names the route of a request that never gets there, for the log and the metrics."""
    routes = cast("FastAPI", scope["app"]).router.routes
    route = next((one for one in routes if getattr(one, "path", None) == scope["path"]), None)
    if route is not None:
        scope["route"] = route


class Failures:
    """Answers what the routes raise, where headers are still added.

    Starlette's own handler of unknown exceptions stands outside of all middleware: its answers have
    no CORS headers, so a web page could not read why its request failed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            # Whatever it is: it is answered and logged.
            if started or scope["type"] != "http":
                raise
            response = await problems.answer(Request(scope), error)
            await response(scope, receive, send)


class Refusals:
    """Counts and logs the requests that never reach the application.

    Args:
        metrics: to count in.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.access")

    def __call__(self, document: Problem) -> None:
        slug = document.type.rpartition(":")[2]
        self._metrics.count_rejection(slug)
        self._logger.info(
            "refused", status=document.status, problem=slug, request_id=document.instance
        )


def install(
    app: FastAPI,
    settings: Settings,
    runtime: Runtime,
    metrics: Metrics,
    *,
    public: Collection[str] = (),
) -> None:
    """Puts keys and headers around the application's routes.

    Args:
        app: whose routes they are.
        settings: with the keys and who may ask from another origin.
        runtime: that may be full.
        metrics: to count in.
        public: paths that need no key, beside `OPEN_PATHS`.

    Raises:
        InvalidInput: the keys of the settings cannot be used.
    """
    keys = Keys(settings)
    open_paths = OPEN_PATHS | frozenset(public)
    # The last one is the outermost.
    app.add_middleware(Failures)
    app.add_middleware(Door, keys=keys, open_paths=open_paths, runtime=runtime)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=TAKEN,
            expose_headers=EXPOSED,
        )
    app.add_middleware(SecureHeaders)
    app.state.keys = keys
    app.state.metrics = metrics
    openapi.describe_door(app, open_paths=open_paths if keys.required else None)
