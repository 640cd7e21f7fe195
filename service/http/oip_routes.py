"""The routes under `/v2`, and what OpenAPI is to say of them."""

from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from fastapi import FastAPI

from service.http.metrics import Metrics
from service.http.oip import Infer
from service.http.oip_status import OipStatus
from service.http.problems import OIP_MEDIA_TYPE, OIP_PREFIX
from service.http.schemas import InferenceProblem
from service.oip.wire import InferenceRequest, InferenceResponse
from service.runtime.runtime import Runtime
from service.settings import Settings

_TAGS: list[str | Enum] = ["open inference protocol"]
_MODEL = f"{OIP_PREFIX}/models/{{name}}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_REASONS = {
    400: "The body is no inference request, or does not fit the model.",
    404: "No such model is loaded.",
    408: "The body did not arrive in time.",
    413: "The body, its JSON or a picture is larger than the limit.",
    415: "A picture's format or the body's encoding is not supported.",
    422: "A picture is truncated or corrupt, or a header is not valid.",
    503: "The service is starting, busy or shutting down; `Retry-After` says when to try again.",
    504: "The answer was not ready in time.",
}
_BINARY = {
    "type": "string",
    "format": "binary",
    "description": "JSON, and the binary data of tensors behind it.",
}


def install(app: FastAPI, settings: Settings, runtime: Runtime, metrics: Metrics) -> None:
    """Adds the Open Inference Protocol to an application.

    Args:
        app: to add to.
        settings: limits on requests.
        runtime: whose pipelines and networks are the protocol's models.
        metrics: counts.
    """
    status = OipStatus(runtime)
    _add(app, OIP_PREFIX, status.server)
    _add(app, f"{OIP_PREFIX}/health/live", status.live, 503)
    _add(app, f"{OIP_PREFIX}/health/ready", status.ready, 503)
    _add(app, _MODEL, status.model, 404, 503)
    _add(app, _VERSION, status.version, 404, 503)
    _add(app, f"{_MODEL}/ready", status.model_ready, 404, 503)
    _add(app, f"{_VERSION}/ready", status.version_ready, 404, 503)
    infer = Infer(settings, runtime, metrics)
    _add_infer(app, f"{_MODEL}/infer", infer.infer)
    _add_infer(app, f"{_VERSION}/infer", infer.infer_version)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route of the protocol may answer with."""
    content = {OIP_MEDIA_TYPE: {"schema": InferenceProblem.model_json_schema()}}
    return {status: {"description": _REASONS[status], "content": content} for status in statuses}


def _add(app: FastAPI, path: str, endpoint: Callable[..., Any], *failures: int) -> None:
    app.add_api_route(
        path,
        endpoint,
        response_model_exclude_none=True,
        responses=problems(*failures),
        tags=_TAGS,
    )


def _add_infer(app: FastAPI, path: str, endpoint: Callable[..., Any]) -> None:
    answer = {
        "description": "The outputs; binary data of those that were asked for so is behind the "
        "JSON, whose length `Inference-Header-Content-Length` tells.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferenceResponse"}},
            "application/octet-stream": {"schema": _BINARY},
        },
    }
    body = {
        "required": True,
        "content": {
            "application/json": {"schema": _inlined(InferenceRequest.model_json_schema())},
            "application/octet-stream": {"schema": _BINARY},
        },
    }
    app.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=InferenceResponse,
        responses={200: answer, **problems(*_REASONS)},
        openapi_extra={"requestBody": body},
        tags=_TAGS,
    )


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its definitions in the places that refer to them."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        match node:
            case {"$ref": str(reference)}:
                return resolve(definitions[reference.rpartition("/")[2]])
            case dict():
                members = cast("dict[str, Any]", node)
                return {name: resolve(value) for name, value in members.items()}
            case list():
                return [resolve(item) for item in cast("list[Any]", node)]
            case _:
                return node

    return resolve(schema)
