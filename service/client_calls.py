"""What both clients send and how they read the answers; nothing here waits for the network."""

import json
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Generic, Literal, TypedDict, TypeVar, get_type_hints
from urllib.parse import quote

import httpx
import numpy as np
from pydantic import TypeAdapter, ValidationError

from service.client_flow import Outcome, Patience, Step, UnexpectedAnswer, Unreachable, attempts
from service.http.schemas import (
    BatchDocument,
    BatchItemDocument,
    CocoDocument,
    LiveDocument,
    ModelsDocument,
    PredictionDocument,
    ReadyDocument,
)
from service.inference.errors import InvalidInput
from service.inference.types import Image, Pixels
from service.inference.validation import first_problem

T = TypeVar("T")

PictureSource = bytes | str | os.PathLike[str] | IO[bytes] | Pixels
"""A picture file's bytes, path or open file, or its pixels: uint8 RGB `[H, W, 3]`."""
DrawingType = Literal["image/png", "image/jpeg"]

_PREDICT, _BATCH = "/predict", "/predict/batch"
_JSON, _NDJSON = "application/json", "application/x-ndjson"
_QUERY_OPTIONS = frozenset(
    {
        *("max_persons", "min_person_score", "min_keypoint_score", "pipeline"),
        *("track", "smooth", "every", "max_frames"),
    }
)
_LEAST_TIMEOUT_S, _GRACE_S = 0.001, 1.0


class BatchOptions(TypedDict, total=False):
    """What may be asked about every picture; whatever is left out is the service's to choose.

    Attributes:
        max_persons: the most people to answer, best first.
        min_person_score: in 0..1; people below are left out.
        min_keypoint_score: in 0..1; joints below are left out.
        pipeline: the pair of networks that answers.
        timeout_s: the answer is of no use after so many seconds: the service is told, and no
            further attempt is made.
        request_id: that the service's log and answer name.
    """

    max_persons: int
    min_person_score: float
    min_keypoint_score: float
    pipeline: str
    timeout_s: float
    request_id: str


class PredictOptions(BatchOptions, total=False):
    """What may be asked about one picture.

    Attributes:
        boxes: rows x, y, width, height of the people in pixels of the upright picture; the detector
            is then not asked.
    """

    boxes: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request that can be sent again and again, and the way to read its answer.

    Attributes:
        method, path, query, headers, body: of the request; a body is the keyword arguments of
            httpx that make it.
        read: makes the result of a successful answer.
        timeout_s: see `PredictOptions`.
        budget_s: seconds in which it may be tried again; None takes the client's.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    query: dict[str, str] = field(default_factory=dict[str, str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    timeout_s: float | None = None
    budget_s: float | None = None

    def attempts(
        self, http: httpx.Client | httpx.AsyncClient, budget_s: float
    ) -> Generator[Step, Outcome, httpx.Response]:
        """The steps from the first attempt to the final answer; see `client_flow.attempts`."""
        budgets = (budget_s if self.budget_s is None else self.budget_s, self.timeout_s)
        patience = Patience(min(budget for budget in budgets if budget is not None))
        return attempts(lambda elapsed_s: self._request(http, elapsed_s), patience)

    def _request(self, http: httpx.Client | httpx.AsyncClient, elapsed_s: float) -> httpx.Request:
        headers, body = dict(self.headers), dict(self.body)
        if self.timeout_s is not None:
            left_s = max(_LEAST_TIMEOUT_S, self.timeout_s - elapsed_s)
            headers["X-Request-Timeout"] = f"{left_s:.3f}"
            # The service answers that it was too late; a little later nothing will come any more.
            body["timeout"] = left_s + _GRACE_S
        return http.build_request(
            self.method, self.path, params=self.query, headers=headers, **body
        )


def _document(kind: TypeAdapter[T]) -> Callable[[httpx.Response], T]:
    def read(answer: httpx.Response) -> T:
        try:
            return kind.validate_json(answer.content)
        except ValidationError as error:
            raise UnexpectedAnswer(
                f"the answer of {answer.request.method} {answer.request.url} is not the document "
                f"that was expected: {first_problem(error)}"
            ) from error

    return read


_PREDICTION = _document(TypeAdapter(PredictionDocument))
_COCO = _document(TypeAdapter(list[CocoDocument]))
_RESULTS = _document(TypeAdapter(BatchDocument))
_LIVE = _document(TypeAdapter(LiveDocument))
_READY = _document(TypeAdapter(ReadyDocument))
_MODELS = _document(TypeAdapter(ModelsDocument))


def picture_bytes(source: PictureSource) -> bytes:
    """A picture as a file's bytes; pixels become a PNG, so that none of them changes.

    Raises:
        InvalidInput: the file cannot be read, or the array is not uint8 RGB `[H, W, 3]`.
    """
    match source:
        case bytes():
            return source
        case np.ndarray():
            return _png(source)
        case str() | os.PathLike():
            try:
                return Path(source).read_bytes()
            except OSError as error:
                raise InvalidInput(
                    f"picture is {os.fspath(source)!r}, which cannot be read: {error.strerror}"
                ) from error
        case _:
            data: bytes | str = source.read()
            if isinstance(data, str):
                raise InvalidInput("picture is a file opened as text; expected mode 'rb'")
            return data


def predict(data: bytes, options: PredictOptions) -> Call[PredictionDocument]:
    """People with named joints."""
    return _about_picture(data, options, _PREDICTION)


def predict_coco(data: bytes, options: PredictOptions) -> Call[list[CocoDocument]]:
    """People as COCO keypoint results."""
    return _about_picture(data, options, _COCO, picture_format="coco")


def predict_image(data: bytes, options: PredictOptions, media_type: DrawingType) -> Call[bytes]:
    """The picture with the people drawn into it."""
    return _about_picture(
        data, options, lambda answer: answer.content, picture_format="image", accept=media_type
    )


def predict_batch(
    pictures: Sequence[bytes], options: BatchOptions, *, as_lines: bool = False
) -> Call[list[BatchItemDocument]]:
    """Many pictures at once; as lines, each result comes by itself, see `read_line`."""
    return Call(
        "POST",
        _BATCH,
        lambda answer: _RESULTS(answer).results,
        query_of(options, BatchOptions),
        {"Accept": _NDJSON if as_lines else _JSON, **headers_of(options)},
        {"files": [("image", (str(index), data)) for index, data in enumerate(pictures)]},
        options.get("timeout_s"),
    )


def read_line(line: str) -> BatchItemDocument:
    """A line of an answer to `predict_batch`.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    try:
        return BatchItemDocument.model_validate_json(line)
    except ValidationError as error:
        raise UnexpectedAnswer(f"a line of the answer is no result: {first_problem(error)}") from (
            error
        )


def ended_early(received: int, expected: int) -> Unreachable:
    """The failure of lines that stop too early."""
    return Unreachable(f"the answer ended after {received} of {expected} results")


def live() -> Call[LiveDocument]:
    """Whether the process answers."""
    return Call("GET", "/health/live", _LIVE, budget_s=0.0)


def ready(patience_s: float) -> Call[ReadyDocument]:
    """Whether requests are taken; asked for so many seconds."""
    return Call("GET", "/health/ready", _READY, budget_s=patience_s)


def models() -> Call[ModelsDocument]:
    """What is loaded."""
    return Call("GET", "/models", _MODELS)


def load(pipeline: str) -> Call[ModelsDocument]:
    """Opens a pipeline, or opens it again."""
    return Call("POST", f"/models/{quote(pipeline, safe='')}/load", _MODELS)


def unload(pipeline: str) -> Call[ModelsDocument]:
    """Closes a pipeline."""
    return Call("POST", f"/models/{quote(pipeline, safe='')}/unload", _MODELS)


def metrics() -> Call[str]:
    """Prometheus's text format."""
    return Call("GET", "/metrics", lambda answer: answer.text)


def _about_picture(
    data: bytes,
    options: PredictOptions,
    read: Callable[[httpx.Response], T],
    *,
    picture_format: str | None = None,
    accept: str = _JSON,
) -> Call[T]:
    query = query_of(options, PredictOptions)
    if picture_format is not None:
        query["format"] = picture_format
    headers = {"Accept": accept, **headers_of(options)}
    boxes = options.get("boxes")
    if boxes is None:
        # A raw body is cheaper for the service than a form; it looks at the bytes for the format.
        headers["Content-Type"] = "application/octet-stream"
        body: dict[str, Any] = {"content": data}
    else:
        rows = [[float(value) for value in row] for row in boxes]
        body = {"files": {"image": data}, "data": {"boxes": json.dumps(rows)}}
    return Call("POST", _PREDICT, read, query, headers, body, options.get("timeout_s"))


def query_of(options: BatchOptions, known: type) -> dict[str, str]:
    """The parameters of the address.

    Raises:
        InvalidInput: an option is not known.
    """
    names = get_type_hints(known)
    for name in options:
        if name not in names:
            raise InvalidInput(f"option is {name!r}; expected one of {', '.join(sorted(names))}")
    return {name: _text(value) for name, value in options.items() if name in _QUERY_OPTIONS}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def headers_of(options: BatchOptions) -> dict[str, str]:
    """The headers that options become."""
    return {"X-Request-Id": options["request_id"]} if "request_id" in options else {}


def _png(pixels: Pixels) -> bytes:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InvalidInput(
            f"picture is an array of {pixels.dtype} {list(pixels.shape)}; "
            "expected uint8 RGB [H, W, 3]"
        )
    # OpenCV is loaded only for callers who have pixels; whoever has them, has numpy already.
    from service.inference.render import encode_image

    return encode_image(Image(pixels), "image/png")
