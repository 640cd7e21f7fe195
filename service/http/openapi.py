"""What FastAPI cannot see by itself: the bodies that `/predict` reads, and its problems."""

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from service.http.keys import HEADER
from service.http.lines import NDJSON
from service.http.problems import MEDIA_TYPE, OIP_MEDIA_TYPE, OIP_PREFIX
from service.http.schemas import CocoDocument, InferenceProblem, Problem
from service.http.uploads import MULTIPART, RAW_MEDIA_TYPES
from service.http.video_schemas import (
    VideoFrameDocument,
    VideoHeaderDocument,
    VideoSummaryDocument,
)

_BINARY = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {**_BINARY, "description": "A JPEG, PNG, WebP or BMP file."},
        "boxes": {
            "type": "string",
            "description": "JSON `[[x, y, width, height], ...]` of the people in pixels of the "
            "upright picture; the detector is skipped.",
            "examples": ["[[12.5, 40.1, 120.0, 301.4]]"],
        },
    },
}
_PICTURES = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {"image": {"type": "array", "minItems": 1, "items": _BINARY}},
}
_REASONS = {
    400: "The request is malformed, or its body is empty or not what its `Content-Type` says.",
    401: "A key is needed, and none or an unknown one was sent.",
    403: "The key is no admin's, or the service has no admin's keys.",
    408: "The head or the body did not arrive in time.",
    413: "The file or the picture is larger than the limit.",
    414: "The address is longer than the limit.",
    415: "The body is not a picture of a supported format.",
    422: "The picture is truncated or corrupt, or a parameter or the boxes are not valid.",
    404: "No pipeline of that name is loaded.",
    409: "The default pipeline cannot be unloaded.",
    431: "The headers are larger than the limit.",
    503: "The service is starting, busy or shutting down; `Retry-After` says when to try again.",
    504: "The answer was not ready in time.",
}
_OF_PICTURES = (400, 404, 408, 413, 415, 422, 503, 504)

_EVERYWHERE = (400, 408, 414, 431)
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": HEADER},
}
_PROBLEM = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
KEYS: dict[str, Any] = {"security": [{scheme: []} for scheme in _SCHEMES]}
"""Of an operation that always needs a key."""

PREDICT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture itself, or a form with it.",
        "content": {
            MULTIPART: {"schema": _FORM, "encoding": {"image": {"contentType": "image/*"}}},
            **{media_type: {"schema": _BINARY} for media_type in sorted(RAW_MEDIA_TYPES)},
        },
    }
}

BATCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A form with any number of pictures.",
        "content": {
            MULTIPART: {"schema": _PICTURES, "encoding": {"image": {"contentType": "image/*"}}}
        },
    }
}


_VIDEO = {
    "type": "object",
    "required": ["video"],
    "additionalProperties": False,
    "properties": {
        "video": {
            **_BINARY,
            "description": "An MP4, QuickTime, Matroska, WebM, AVI or MPEG-TS file.",
        }
    },
}
VIDEO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The video itself, which is quicker, or a form with it.",
        "content": {
            MULTIPART: {"schema": _VIDEO, "encoding": {"video": {"contentType": "video/*"}}},
            **{kind: {"schema": _BINARY} for kind in ("application/octet-stream", "video/*")},
        },
    }
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with."""
    return {status: {"description": _REASONS[status], "content": _PROBLEM} for status in statuses}


def predict_responses() -> dict[int | str, dict[str, Any]]:
    """All answers of `/predict`, beside the JSON document that FastAPI derives."""
    coco = {"type": "array", "items": CocoDocument.model_json_schema()}
    pictures = {"image/png": {"schema": _BINARY}, "image/jpeg": {"schema": _BINARY}}
    answer = {
        "description": "The people in the picture: as JSON, as COCO results, or drawn.",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [{"$ref": "#/components/schemas/PredictionDocument"}, coco],
                }
            },
            **pictures,
        },
    }
    return {200: answer, **problems(*_OF_PICTURES)}


def batch_responses() -> dict[int | str, dict[str, Any]]:
    """All answers of `/predict/batch`, beside the JSON document that FastAPI derives."""
    item = {"$ref": "#/components/schemas/BatchItemDocument"}
    answer = {
        "description": "An item for each picture: all of them in the form's order, or each on a "
        "line as soon as it is ready.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/BatchDocument"}},
            "application/x-ndjson": {"schema": item},
        },
    }
    return {200: answer, **problems(*_OF_PICTURES)}


def video_responses() -> dict[int | str, dict[str, Any]]:
    """All answers of `/predict/video`; each line has a schema of its own."""
    kinds: tuple[type[BaseModel], ...] = (
        *(VideoHeaderDocument, VideoFrameDocument, VideoSummaryDocument),
        Problem,
    )
    lines = [kind.model_json_schema(mode="serialization") for kind in kinds]
    answer = {
        "description": "Lines of JSON: a header, each frame as soon as it is done, a summary; or a "
        "problem as the last line.",
        "content": {NDJSON: {"schema": {"anyOf": lines}}},
    }
    return {200: answer, **problems(*_OF_PICTURES)}


def describe_door(app: FastAPI, *, open_paths: Collection[str] | None) -> None:
    """Adds to the description what is answered before any route is reached.

    Args:
        app: whose description it is.
        open_paths: that need no key while all others do; None if there are no keys.
    """
    describe = app.openapi
    everywhere = _as_json(problems(*_EVERYWHERE))

    def described() -> dict[str, Any]:
        document = describe()
        document["components"]["securitySchemes"] = _SCHEMES
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] = everywhere | operation["responses"]
                if open_paths is not None and path not in open_paths:
                    operation.update(KEYS)
                    operation["responses"] |= _needs_key(path)
        return document

    app.openapi = described


def _needs_key(path: str) -> dict[str, dict[str, Any]]:
    """What is answered to a request without a key, in the form of its path."""
    if not path.startswith(OIP_PREFIX):
        return _as_json(problems(401))
    content = {OIP_MEDIA_TYPE: {"schema": InferenceProblem.model_json_schema()}}
    return {"401": {"description": _REASONS[401], "content": content}}


def _as_json(answers: dict[int | str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same for a finished document, whose keys are strings."""
    return {str(status): answer for status, answer in answers.items()}
