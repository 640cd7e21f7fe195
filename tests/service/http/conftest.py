"""The application with small networks, and a client that talks to it inside the process."""

import asyncio
import io
import json
import logging
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import cv2
import httpx
import numpy as np
import pytest
import structlog
from fastapi import FastAPI

from service.http.app import create_app
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.logs import configure_logging
from service.runtime.runtime import State
from service.settings import Settings
from tests.service import video_files
from tests.service.conftest import Given

DOT = (280, 200)
"""x, y of the white pixels in the `picture`: in the detector's first box, not in its second."""

WHITE_FRAMES = 6
"""Of the video `white`."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings() -> Settings:
    return Settings(workers=1, max_waiting=1, max_upload_bytes=200_000, max_pixels=1_000_000)


@pytest.fixture
def estimator(models_dir) -> PoseEstimator:
    return load_pipeline(models_dir, "default", Execution(device="cpu"))


@pytest.fixture
async def client(settings, estimator) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(create_app(settings, Given(estimator))) as client:
        yield client


@pytest.fixture
def picture() -> bytes:
    """A 640x480 PNG: black with a white square around `DOT`."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    x, y = DOT
    pixels[y - 10 : y + 10, x - 10 : x + 10] = 255
    return encode(pixels)


@pytest.fixture
def black() -> bytes:
    """A 64x64 PNG in which the detector sees nobody."""
    return encode(np.zeros((64, 64, 3), np.uint8))


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict]]]:
    """The service's log lines since it was last called, as machines read them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("json", "info")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)

    def read() -> list[dict]:
        stream = handler.setStream(io.StringIO())
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [line for line in lines if line["logger"].startswith("service")]

    handler.setStream(io.StringIO())
    yield read
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def gate(estimator):
    session = Gate(estimator.detector)
    yield session
    session.let(1000)


@pytest.fixture
def white(tmp_path):
    """A video in which the detector sees two people in each frame."""
    pictures = [np.full((128, 128, 3), 255, np.uint8)] * WHITE_FRAMES
    return video_files.write(tmp_path / "white.mp4", pictures).read_bytes()


@pytest.fixture
def spool_dir(tmp_path, monkeypatch):
    """Where temporary files go; nothing may be left in it."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


class Gate:
    """A session whose runs wait until they are let go; it remembers how bright they were."""

    def __init__(self, session) -> None:
        self.card, self.provider = session.card, session.provider
        self._session = session
        self._places = threading.Semaphore(0)
        self.seen: list[int] = []

    def run(self, image):
        self.seen.append(int(image.max()))
        assert self._places.acquire(timeout=10)
        return self._session.run(image)

    def let(self, runs):
        self._places.release(runs)


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


@asynccontextmanager
async def connect(app: FastAPI, *, ready: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a started application; waits until it is ready unless told not to."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        if ready:
            await until(lambda: app.state.runtime.state is State.READY)
        yield client


async def until(condition: Callable[[], bool]) -> None:
    """Returns when a condition holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
