"""The application with small networks, and a caller that may send any bytes."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest
import structlog
from fastapi import FastAPI

from service.http.app import create_app
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.runtime.runtime import State
from service.settings import Settings
from tests.service.conftest import Bundles, Given

LIMIT_S = 10
"""For one answer: generous, since other tests share the cores."""
PNG = ((b"content-type", b"image/png"),)
KNOWN_STATUSES = {200, 400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 431}
"""What a request may be answered with that is broken, while the service is not."""

Header = tuple[bytes, bytes]


@dataclass
class Answer:
    """What the application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        return json.loads(self.body)


class Caller:
    """Calls a started application as a server does; it keeps its event loop between calls.

    Args:
        app: of the service.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._lifespan = app.router.lifespan_context(app)

    def __enter__(self) -> "Caller":
        self._runner.run(self._start())
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def post(
        self,
        *parts: bytes,
        path: str = "/predict",
        headers: Sequence[Header] = PNG,
        query: bytes = b"",
        method: str = "POST",
    ) -> Answer:
        """Sends a body in parts."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": list(headers),
            "client": ("test", 1),
            "server": ("test", 80),
        }
        return self._runner.run(self._send(scope, parts or (b"",)))

    async def _start(self) -> None:
        await self._lifespan.__aenter__()
        async with asyncio.timeout(LIMIT_S):
            while self._app.state.runtime.state is not State.READY:
                await asyncio.sleep(0.005)

    async def _send(self, scope: dict[str, Any], parts: Sequence[bytes]) -> Answer:
        answer, waiting = Answer(), list(parts)

        async def receive() -> dict[str, Any]:
            if not waiting:
                # The client stays.
                await asyncio.Event().wait()
            part = waiting.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                pairs = message["headers"]
                answer.headers = {name.decode(): value.decode() for name, value in pairs}
            else:
                answer.body += message.get("body", b"")

        async with asyncio.timeout(LIMIT_S):
            await self._app(scope, receive, send)
        return answer


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> PoseEstimator:
    models_dir = Bundles().write_models(tmp_path_factory.mktemp("fuzz") / "models")
    return load_pipeline(models_dir, "default", Execution(device="cpu"))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of log lines, which nobody reads, take longer than the requests."""
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def caller(pipeline: PoseEstimator) -> Iterator[Caller]:
    settings = Settings(max_upload_bytes=4 * 2**20, max_pixels=4_000_000)
    with Caller(create_app(settings, Given(pipeline))) as caller:
        yield caller


def _drop(*_event: object) -> structlog.typing.EventDict:
    raise structlog.DropEvent


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A 64x64 PNG with a white square: one person."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[20:40, 20:36] = 255
    return cv2.imencode(".png", pixels)[1].tobytes()


def assert_told(answer: Answer) -> None:
    """It is a result, or a problem document that says what is wrong; never a failure inside."""
    assert answer.status in KNOWN_STATUSES, (answer.status, answer.body[:300])
    if answer.status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.problem) == {"type", "title", "status", "detail", "instance"}
        assert answer.problem["status"] == answer.status
        assert len(answer.problem["detail"]) > 10


def assert_serves(caller: Caller, picture: bytes) -> None:
    answer = caller.post(picture)
    assert answer.status == 200
    assert len(json.loads(answer.body)["persons"]) == 1
