"""The service as its users run it: a process of its own, small networks, a port."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.opened import BROWSERS, LAUNCH, Opened
from tests.service.conftest import Bundles

PATIENCE_S = 60
MODELS = Path(__file__).parents[2] / "models"


class Server:
    """A running `python -m service serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: IO[str]) -> None:
        self.process = process
        self._log = log
        self.port = port
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S)

    def wait_until_ready(self) -> "Server":
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self._written()
            try:
                if self.client.get("/health/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def leave(self) -> tuple[int, str]:
        """The exit code and what was written to stderr, once the process has ended."""
        code = self.process.wait(timeout=PATIENCE_S)
        return code, self._written()

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()
        self._log.close()

    def _written(self) -> str:
        self._log.seek(0)
        return self._log.read()


Launch = Callable[..., Server]


@pytest.fixture
def bundles() -> Bundles:
    return Bundles()


@pytest.fixture
def models_dir(tmp_path: Path, bundles: Bundles) -> Path:
    return bundles.write_models(tmp_path / "models")


@pytest.fixture
def launch(models_dir: Path) -> Iterator[Launch]:
    """Starts a server; settings are given as keywords, e.g. `max_waiting=0`."""
    servers: list[Server] = []

    def start(*command: str, **settings: object) -> Server:
        servers.append(start_server(*command, **{"models_dir": models_dir, **settings}))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that many tests share."""
    models_dir = Bundles().write_models(tmp_path_factory.mktemp("shared") / "models")
    server = start_server(models_dir=models_dir, max_upload_bytes=100_000)
    yield server.wait_until_ready()
    server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, with a profile of its own and a camera that shows a moving disc."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(LAUNCH))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a server in a window of its own, and in the end looks at what it did."""
    pages: list[Opened] = []

    def start(
        server: Server,
        *,
        host: str = "127.0.0.1",
        script: str = "",
        before: Callable[[Page], None] | None = None,
        ready: bool = True,
        **options: Any,
    ) -> Opened:
        context = browser.new_context(base_url=f"http://{host}:{server.port}", **options)
        pages.append(Opened(context, script=script, before=before, ready=ready))
        return pages[-1]

    yield start
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def shipped() -> Iterator[Server]:
    """A server with the models that ship, which the tests of a module share."""
    server = start_server(models_dir=MODELS)
    yield server.wait_until_ready()
    server.kill()


@pytest.fixture
def opened(shipped: Server, open_page: Callable[..., Opened]) -> Opened:
    """The page of a server with the shipped models, on a desk."""
    return open_page(shipped, viewport={"width": 1280, "height": 900})


@pytest.fixture
def picture() -> bytes:
    """A 640x480 PNG with a white square inside the detector's first box."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[190:210, 270:290] = 255
    return cv2.imencode(".png", pixels)[1].tobytes()


def start_server(*command: str, **settings: object) -> Server:
    """Starts a process with settings in its environment."""
    port = free_port()
    variables = {"port": port, "device": "cpu", **settings}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("POSE_")},
        **{f"POSE_{name.upper()}": str(value) for name, value in variables.items()},
    }
    # No pipe: nobody would read it while the server runs, and a full one would stop it.
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - the server's handle closes it
    process = subprocess.Popen(
        [sys.executable, *(command or ("-m", "service", "serve"))],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=log,
        text=True,
    )
    return Server(process, port, log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_answer(connection: socket.socket) -> bytes:
    """One whole answer with its length; head and body may arrive one after the other."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", head)
    while len(body) < int(length):
        part = connection.recv(65536)
        assert part
        body += part
    return head + b"\r\n\r\n" + body
