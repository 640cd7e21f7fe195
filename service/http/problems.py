"""Errors as problem documents (RFC 9457): the one place where an error becomes a status."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.http.middleware import request_id_of, set_problem
from service.inference.errors import (
    ImageTooLarge,
    InvalidImage,
    InvalidInput,
    Overloaded,
    PoseError,
    ShuttingDown,
    UnsupportedImage,
)
from service.runtime.runtime import NotReady
from service.runtime.workers import ClientGone

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left; nobody reads the answer, but the log and metrics do."""
_RESTART_S = 5
_SHOWN = 80


class MalformedRequest(PoseError):
    """The body is empty or not what its `Content-Type` says."""


class UploadTimeout(PoseError):
    """The client did not send its body in time."""


class Problem(BaseModel):
    """Why a request was not answered."""

    type: str = Field(examples=["urn:stance:problem:image-too-large"])
    title: str = Field(examples=["The picture is too large"])
    status: int = Field(examples=[413])
    detail: str = Field(description="What is wrong with which value, and what was expected.")
    instance: str = Field(description="The request's id, as in `X-Request-Id` and in the log.")


@dataclass(frozen=True, slots=True)
class Kind:
    """What all problems of one class share."""

    slug: str
    title: str
    status: int


_KINDS: Sequence[tuple[type[PoseError], Kind]] = (
    # The first match counts: subclasses stand before their base.
    (UnsupportedImage, Kind("unsupported-media-type", "The format is not supported", 415)),
    (InvalidImage, Kind("invalid-image", "The picture cannot be decoded", 422)),
    (ImageTooLarge, Kind("image-too-large", "The picture is too large", 413)),
    (MalformedRequest, Kind("malformed-request", "The request is malformed", 400)),
    (InvalidInput, Kind("invalid-input", "A value is not valid", 422)),
    (UploadTimeout, Kind("upload-timeout", "The upload took too long", 408)),
    (Overloaded, Kind("overloaded", "The service is busy", 503)),
    (ShuttingDown, Kind("shutting-down", "The service is shutting down", 503)),
    (NotReady, Kind("not-ready", "The service is starting", 503)),
)
_FALLBACK = Kind("internal-error", "The service failed", 500)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    app.add_exception_handler(PoseError, _on_pose_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, _on_routing_error)
    app.add_exception_handler(ClientGone, _on_client_gone)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    app.add_exception_handler(Exception, _on_bug)


def problem(
    request: Request, kind: Kind, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The response of one problem."""
    set_problem(request.scope, kind.slug)
    document = Problem(
        type=f"urn:stance:problem:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=request_id_of(request.scope),
    )
    return Response(
        document.model_dump_json(),
        status_code=kind.status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def explain(errors: Iterable[Mapping[str, Any]]) -> str:
    """One sentence for each of pydantic's errors: the field, what was expected, the value."""
    sentences: list[str] = []
    for error in errors:
        field = ".".join(str(part) for part in error["loc"])
        value = repr(error["input"])
        shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        sentences.append(f"{field}: {error['msg']}, got {shown}.")
    return " ".join(sentences)


async def _on_pose_error(request: Request, error: Exception) -> Response:
    kind = next((kind for known, kind in _KINDS if isinstance(error, known)), _FALLBACK)
    if kind is _FALLBACK:
        return await _on_bug(request, error)
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(round(error.retry_after_s))
    elif isinstance(error, (ShuttingDown, NotReady)):
        headers["Retry-After"] = str(_RESTART_S)
    return problem(request, kind, str(error), headers)


async def _on_invalid_parameters(request: Request, error: Exception) -> Response:
    kind = Kind("invalid-input", "A value is not valid", 422)
    return problem(request, kind, explain(cast(RequestValidationError, error).errors()))


async def _on_routing_error(request: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    status = HTTPStatus(known.status_code)
    kind = Kind(status.phrase.lower().replace(" ", "-"), status.phrase, status.value)
    detail = f"{request.method} {request.url.path}: {status.description or status.phrase}."
    return problem(request, kind, detail, known.headers)


async def _on_client_gone(request: Request, _error: Exception) -> Response:
    set_problem(request.scope, "client-gone")
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _on_bug(request: Request, error: Exception) -> Response:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.http")
    request_id = request_id_of(request.scope)
    logger.error("request failed", request_id=request_id, exc_info=error)
    detail = "The error was logged under this request's id."
    # This answer is made outside of the middleware that adds the header to all others.
    return problem(request, _FALLBACK, detail, {"X-Request-Id": request_id})
