"""Servers of the comparison as processes: installed, started, paused while others are measured."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_START_S = 180.0
# What does the work must be the same everywhere.
_SAME_VERSIONS = (
    *("numpy", "onnxruntime-gpu", "onnxruntime", "opencv-python-headless"),
    *("pydantic", "pydantic-settings"),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that can be measured.

    Attributes:
        name: for people.
        package: with its version, to be installed into an environment of its own; None runs in
            this one.
        command: after the environment's `bin/`, with `{port}`.
        health: path that answers 200 once pictures are taken.
        form: name of the picture in a multipart form; None takes the bare file.
    """

    name: str
    command: tuple[str, ...]
    health: str
    package: str | None = None
    form: str | None = None


OURS = Contender(
    "this service",
    ("python", "-m", "service", "serve", "--port", "{port}", "--log-level", "warning"),
    health="/health/ready",
)


def others() -> list[Contender]:
    """LitServe and BentoML, with the networks opened as their documentation does, and as we do."""
    made: list[Contender] = []
    for style in ("plain", "tuned"):
        service = f"benchmarks.servers.bentoml_server:{style.capitalize()}"
        made += [
            Contender(
                f"LitServe, {style}",
                ("python", "-m", "benchmarks.servers.litserve_server", "{port}", style),
                health="/health",
                package="litserve==0.2.19",
                form="image",
            ),
            Contender(
                f"BentoML, {style}",
                ("bentoml", "serve", service, "--host", "127.0.0.1", "--port", "{port}"),
                health="/readyz",
                package="bentoml==1.4.39",
            ),
        ]
    return made


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    contender: Contender
    process: subprocess.Popen[bytes]
    url: str

    @contextmanager
    def awake(self) -> Generator[None]:
        """Lets the server run within the block; outside it is stopped and costs nothing."""
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)

    def cpu_s(self) -> float:
        """Processor time of all its processes so far."""
        return sum(member.cpu_s for member in _family(self.process.pid))

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to all its processes: workers may be in groups of their own."""
        for member in _family(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(member.pid, number)


def install(contender: Contender, environments: Path) -> Path:
    """The `bin` folder of a contender's environment, which is made unless it exists."""
    own = Path(sys.executable).parent
    if contender.package is None:
        return own
    folder = environments / contender.package.replace("==", "-")
    done = folder / "installed"
    if not done.exists():
        uv = str(own / "uv")
        _quietly(uv, "venv", "--clear", "--python", sys.executable, str(folder))
        _quietly(
            *(uv, "pip", "install", "--python", str(folder / "bin" / "python")),
            *(contender.package, *_same_versions()),
            *("--requirements", str(_ROOT / "pyproject.toml"), "--extra", "service"),
        )
        done.touch()
    return folder / "bin"


@contextmanager
def running(contender: Contender, bin_folder: Path, log: Path) -> Generator[Running]:
    """A contender's server, ready and paused; stopped with all its processes at the end.

    Args:
        contender: what to start, in the root of the checkout.
        bin_folder: of its environment.
        log: file for what it prints.

    Raises:
        TimeoutError: it was not ready in three minutes.
    """
    port = _free_port()
    program, *arguments = (word.format(port=port) for word in contender.command)
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("POSE_")},
        "PYTHONPATH": str(_ROOT),
        "POSE_DEVICE": "cpu",
        "BENTOML_HOME": str(log.parent / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(bin_folder / program), *arguments],
            cwd=_ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    server = Running(contender, process, f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(server, log)
        server.signal(signal.SIGSTOP)
        yield server
    finally:
        _stop(server)


def _wait_until_ready(server: Running, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(server.url + server.contender.health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    tail = log.read_text(errors="replace")[-2000:]
    raise TimeoutError(f"{server.contender.name} does not get ready; its last words:\n{tail}")


def _stop(server: Running) -> None:
    # Before its parent has ended: nobody could tell whose child it was afterwards.
    family = _family(server.process.pid)
    server.signal(signal.SIGCONT)
    server.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(timeout=20)
    for member in family:
        with suppress(ProcessLookupError):
            os.kill(member.pid, signal.SIGKILL)
    server.process.wait()


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    cpu_s: float


def _family(pid: int) -> list[_Process]:
    """A process and all that descend from it, as Linux tells in `/proc`."""
    running = [found for path in Path("/proc").glob("[0-9]*/stat") if (found := _read_stat(path))]
    family = [process for process in running if process.pid == pid]
    # Grows while it is walked through.
    for member in family:
        family += [process for process in running if process.parent == member.pid]
    return family


def _read_stat(path: Path) -> _Process | None:
    """Source: proc(5), `/proc/pid/stat`."""
    try:
        # The name in parentheses may hold spaces.
        fields = path.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return _Process(int(path.parent.name), int(fields[1]), ticks / os.sysconf("SC_CLK_TCK"))


def _same_versions() -> list[str]:
    installed = {
        distribution.metadata["Name"].lower(): distribution.version
        for distribution in metadata.distributions()
    }
    return [f"{name}=={installed[name]}" for name in _SAME_VERSIONS if name in installed]


def _quietly(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def versions(contenders: Sequence[Contender]) -> str:
    """The packages of the comparison with their versions."""
    packages = [contender.package for contender in contenders if contender.package]
    return ", ".join([*dict.fromkeys(packages), *_same_versions()]).replace("==", " ")
