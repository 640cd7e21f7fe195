"""The application with small networks, and a client that talks to it inside the process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from service.http.app import create_app
from service.inference.estimator import PoseEstimator
from service.inference.repository import load_pipeline
from service.runtime.runtime import State
from service.settings import Settings

DOT = (280, 200)
"""x, y of the white pixels in the `picture`: in the detector's first box, not in its second."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings() -> Settings:
    return Settings(workers=1, max_waiting=1, max_upload_bytes=200_000, max_pixels=1_000_000)


@pytest.fixture
def estimator(models_dir) -> PoseEstimator:
    return load_pipeline(models_dir, "default", device="cpu", threads=1)


@pytest.fixture
async def client(settings, estimator) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(create_app(settings, lambda: estimator)) as client:
        yield client


@pytest.fixture
def picture() -> bytes:
    """A 640x480 PNG: black with a white square around `DOT`."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    x, y = DOT
    pixels[y - 10 : y + 10, x - 10 : x + 10] = 255
    return encode(pixels)


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
