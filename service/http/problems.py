"""Errors as problem documents (RFC 9457): the one place where an error becomes a status."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from service.http.keys import Forbidden, Unauthorized
from service.http.limits import HeadTimeout, HeadTooLarge, TooManyConnections, UrlTooLong
from service.http.middleware import request_id_of, set_problem
from service.http.schemas import InferenceProblem, Problem
from service.inference.errors import (
    ImageTooLarge,
    InferenceFailed,
    InvalidBundle,
    InvalidImage,
    InvalidInput,
    InvalidVideo,
    Overloaded,
    PoseError,
    ShuttingDown,
    UnsupportedImage,
    UnsupportedVideo,
    VideoTooLarge,
)
from service.oip.errors import InvalidRequest, UnknownModel
from service.runtime.pipelines import PipelineInUse, UnknownPipeline
from service.runtime.runtime import NotReady
from service.runtime.ticket import ClientGone, DeadlinePassed

MEDIA_TYPE = "application/problem+json"
OIP_PREFIX = "/v2"
OIP_MEDIA_TYPE = "application/json"
"""Of problems there: KServe's client reads no other."""
CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left; nobody reads the answer, but the log and metrics do."""
_RESTART_S = 5
_SHOWN = 80


class MalformedRequest(PoseError):
    """The body is empty or not what its `Content-Type` says."""


class UploadTimeout(PoseError):
    """The client did not send its body in time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What all problems of one class share."""

    slug: str
    title: str
    status: int


_KINDS: Sequence[tuple[type[PoseError], Kind]] = (
    # The first match counts: subclasses stand before their base.
    (UnsupportedImage, Kind("unsupported-media-type", "The format is not supported", 415)),
    (UnsupportedVideo, Kind("unsupported-media-type", "The format is not supported", 415)),
    (InvalidImage, Kind("invalid-image", "The picture cannot be decoded", 422)),
    (ImageTooLarge, Kind("image-too-large", "The picture is too large", 413)),
    (InvalidVideo, Kind("invalid-video", "The video cannot be decoded", 422)),
    (VideoTooLarge, Kind("video-too-large", "The video is too large", 413)),
    (MalformedRequest, Kind("malformed-request", "The request is malformed", 400)),
    (InvalidRequest, Kind("invalid-request", "The inference request is not valid", 400)),
    (InvalidInput, Kind("invalid-input", "A value is not valid", 422)),
    (UploadTimeout, Kind("upload-timeout", "The upload took too long", 408)),
    (Unauthorized, Kind("unauthorized", "A key is needed", 401)),
    (Forbidden, Kind("forbidden", "The key does not allow this", 403)),
    (HeadTooLarge, Kind("head-too-large", "The request's head is too large", 431)),
    (UrlTooLong, Kind("url-too-long", "The request's address is too long", 414)),
    (HeadTimeout, Kind("head-timeout", "The request's head took too long", 408)),
    (TooManyConnections, Kind("too-many-connections", "The service is busy", 503)),
    (Overloaded, Kind("overloaded", "The service is busy", 503)),
    (ShuttingDown, Kind("shutting-down", "The service is shutting down", 503)),
    (UnknownPipeline, Kind("unknown-pipeline", "No such pipeline is loaded", 404)),
    (UnknownModel, Kind("unknown-model", "No such model is loaded", 404)),
    (PipelineInUse, Kind("pipeline-in-use", "The pipeline cannot be unloaded", 409)),
    (InvalidBundle, Kind("invalid-bundle", "The bundle cannot be used", 422)),
    (DeadlinePassed, Kind("deadline-passed", "The answer came too late", 504)),
    (NotReady, Kind("not-ready", "The service is starting", 503)),
)
INTERNAL = Kind("internal-error", "The service failed", 500)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    app.add_exception_handler(PoseError, answer)
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
    document = document_of(kind, detail, request_id_of(request.scope))
    media_type = MEDIA_TYPE
    if _speaks_oip(request.scope):
        document = InferenceProblem(**document.model_dump(), error=detail)
        media_type = OIP_MEDIA_TYPE
    return Response(
        document.model_dump_json(),
        status_code=kind.status,
        headers=dict(headers or {}),
        media_type=media_type,
    )


def _speaks_oip(scope: Scope) -> bool:
    """Whether a request is for a route of the Open Inference Protocol."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    return path == OIP_PREFIX or path.startswith(f"{OIP_PREFIX}/")


def document_of(kind: Kind, detail: str, request_id: str) -> Problem:
    """A problem as a document: an answer of its own, or an item of a batch's."""
    return Problem(
        type=f"urn:stance:problem:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=request_id,
    )


def kind_of(error: PoseError) -> Kind:
    """What an error is to a client; a failure inside where the class is not one for clients."""
    return next((kind for known, kind in _KINDS if isinstance(error, known)), INTERNAL)


def explain(errors: Iterable[Mapping[str, Any]]) -> str:
    """One sentence for each of pydantic's errors: the field, what was expected, the value."""
    sentences: list[str] = []
    for error in errors:
        field = ".".join(str(part) for part in error["loc"])
        value = repr(error["input"])
        shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        sentences.append(f"{field}: {error['msg']}, got {shown}.")
    return " ".join(sentences)


async def answer(request: Request, error: Exception) -> Response:
    """The response to an error; what no client can act on is logged, and told only by its id."""
    kind = kind_of(cast(PoseError, error))
    if kind is INTERNAL:
        return await _on_bug(request, error)
    return problem(request, kind, str(error), headers_of(error))


def headers_of(error: Exception) -> dict[str, str]:
    """What an error's answer says beside its document."""
    match error:
        case Overloaded():
            return {"Retry-After": str(round(error.retry_after_s))}
        case ShuttingDown() | NotReady():
            return {"Retry-After": str(_RESTART_S)}
        case Unauthorized():
            return {"WWW-Authenticate": 'Bearer realm="stance"'}
        case _:
            return {}


async def _on_invalid_parameters(request: Request, error: Exception) -> Response:
    kind = Kind("invalid-input", "A value is not valid", 422)
    return problem(request, kind, explain(cast(RequestValidationError, error).errors()))


async def _on_routing_error(request: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    status = HTTPStatus(known.status_code)
    kind = Kind(status.phrase.lower().replace(" ", "-"), status.phrase, status.value)
    # Not `request.url`, which fails where a query is no text.
    detail = f"{request.method} {request.scope['path']}: {status.description or status.phrase}."
    return problem(request, kind, detail, known.headers)


async def _on_client_gone(request: Request, _error: Exception) -> Response:
    set_problem(request.scope, "client-gone")
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _on_bug(request: Request, error: Exception) -> Response:
    document = logged_bug(error, request_id_of(request.scope))
    # This answer may be made outside of the middleware that adds the header to all others.
    return problem(request, INTERNAL, document.detail, {"X-Request-Id": document.instance})


def logged_bug(error: Exception, request_id: str) -> Problem:
    """Logs a failure inside with its traceback; the document tells only where to look."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.http")
    if isinstance(error, InferenceFailed):
        # Its traceback was logged where the network failed.
        logger.error("request failed", request_id=request_id, failure_id=error.failure_id)
        return document_of(INTERNAL, str(error), request_id)
    logger.error("request failed", request_id=request_id, exc_info=error)
    return document_of(INTERNAL, "The error was logged under this request's id.", request_id)
