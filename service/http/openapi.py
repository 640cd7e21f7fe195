"""What FastAPI cannot see by itself: the bodies that `/predict` reads, and its problems."""

from typing import Any

from service.http.problems import MEDIA_TYPE, Problem
from service.http.schemas import CocoDocument
from service.http.uploads import MULTIPART, RAW_MEDIA_TYPES

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
_REASONS = {
    400: "The body is empty or not what its `Content-Type` says.",
    408: "The body did not arrive in time.",
    413: "The file or the picture is larger than the limit.",
    415: "The body is not a picture of a supported format.",
    422: "The picture is truncated or corrupt, or a parameter or the boxes are not valid.",
    503: "The service is starting, busy or shutting down; `Retry-After` says when to try again.",
}

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


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": _REASONS[status], "content": content} for status in statuses}


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
    return {200: answer, **problems(*_REASONS)}
