"""The service against the bare pipeline, LitServe and BentoML: `python -m benchmarks.service`.

All of them use the same bundles and answer the same pictures, asked by the same load generator in a
process of its own, in turns: what slows the machine for a while slows all. A ratio is taken within
a round, the table has medians over the rounds. Servers whose turn it is not are stopped.

The bare pipeline is one thread for each core that decodes and runs both networks in a loop: no
HTTP, and no generator beside it, which shares the cores with the servers, to their disadvantage.
LitServe and BentoML run twice: `plain` opens the networks as their documentation does, so that ONNX
Runtime chooses its threads; `tuned` opens them as this service does, so that only the servers
differ. The last turn offers each server twice of what the bare pipeline does, from clients who
leave after a few seconds: what is answered later is lost work.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import skimage.data
from pydantic import Field
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict
from rich.console import Console
from rich.table import Table

from benchmarks.servers.contenders import (
    OURS,
    Contender,
    Running,
    install,
    others,
    running,
    versions,
)
from benchmarks.servers.pipeline import find_people, open_tuned
from service.inference.cores import available_cores
from service.inference.estimator import PoseEstimator
from service.inference.types import Pixels

_SIDES_PX = (320, 512, 1024)
_JPEG_QUALITY = 90
_BARE = "bare pipeline"
_SATURATING = 8
_MODERATE_LOAD, _OVERLOAD = 0.7, 2.0
_PATIENCE_S = 5
_OVERLOAD_TURNS = 3


class ServiceBenchSettings(BaseSettings):
    """Measures the service against the bare pipeline, LitServe and BentoML in one run."""

    model_config = SettingsConfigDict(
        cli_prog_name="python -m benchmarks.service",
        cli_kebab_case=True,
        env_prefix="STANCE_BENCH_",
        cli_implicit_flags="toggle",
    )

    images: Path | None = Field(
        default=None, description="Folder of pictures; by default an astronaut in three sizes."
    )
    environments: Path = Field(
        default=Path(tempfile.gettempdir()) / "stance-benchmark",
        description="Where LitServe and BentoML are installed, once.",
    )
    rounds: int = Field(default=5, ge=1, description="Turns of each.")
    duration_s: float = Field(default=8.0, gt=0, alias="duration", description="Of a turn.")
    only_ours: bool = Field(default=False, description="Leave out LitServe and BentoML.")


@dataclass(slots=True)
class Figures:
    """One value for each round.

    Attributes:
        per_s: good answers per second at saturation, by name.
        tail: p99 over median at a moderate load.
        added_ms: median latency of one request at a time beyond that of the bare pipeline.
        overloaded_per_s: answers per second in time when far too much is asked, by name.
        notes: warnings of the generator.
    """

    per_s: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    tail: list[float] = field(default_factory=list[float])
    added_ms: list[float] = field(default_factory=list[float])
    overloaded_per_s: dict[str, float] = field(default_factory=dict[str, float])
    notes: list[str] = field(default_factory=list[str])


def main() -> int:
    """Prints the table."""
    settings = CliApp.run(ServiceBenchSettings)
    contenders = [OURS] if settings.only_ours else [OURS, *others()]
    settings.environments.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        images = settings.images or _make_pictures(Path(scratch) / "pictures")
        servers: list[Running] = []
        for contender in contenders:
            bin_folder = install(contender, settings.environments)
            log = settings.environments / f"{contender.name.replace(' ', '-')}.log"
            servers.append(stack.enter_context(running(contender, bin_folder, log)))
        figures = measure(servers, images, settings)
    Console().print(report(figures, contenders))
    return 0


def measure(servers: Sequence[Running], images: Path, settings: ServiceBenchSettings) -> Figures:
    """Everything, in turns; the order is turned around from round to round."""
    bare = Bare(open_tuned(), images)
    figures = Figures()
    for number in range(settings.rounds):
        turns = [*servers] if number % 2 else [*reversed(servers)]
        bare_per_s = bare.per_s(settings.duration_s)
        figures.per_s.setdefault(_BARE, []).append(bare_per_s)
        for server in turns:
            summary = ask(server, images, settings.duration_s, "--concurrency", str(_SATURATING))
            per_s: float = summary["goodput_per_s"]
            figures.per_s.setdefault(server.contender.name, []).append(per_s)
            if server.contender is not OURS:
                continue
            moderate = ask(
                *(server, images, settings.duration_s * 2),
                *("--rate", f"{per_s * _MODERATE_LOAD:.3f}"),
            )
            figures.tail.append(moderate["ms"]["p99"] / moderate["ms"]["p50"])
            figures.notes += moderate["warnings"]
            alone = ask(server, bare.picture, settings.duration_s / 2, "--concurrency", "1")
            figures.added_ms.append(alone["ms"]["p50"] - bare.median_ms(settings.duration_s / 2))
    rate = _OVERLOAD * statistics.median(figures.per_s[_BARE])
    for server in servers:
        # Last, because some go on working for clients who have left.
        summary = ask(
            *(server, images, settings.duration_s * _OVERLOAD_TURNS),
            *("--rate", f"{rate:.3f}", "--timeout", str(_PATIENCE_S)),
            may_fail=True,
        )
        figures.overloaded_per_s[server.contender.name] = summary["goodput_per_s"]
    return figures


def ask(
    server: Running, images: Path, duration_s: float, *load: str, may_fail: bool = False
) -> dict[str, Any]:
    """The summary of a load on a server; failures are part of it only where they `may_fail`."""
    form = () if server.contender.form is None else ("--form", server.contender.form)
    with server.awake():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "service.bench", server.url, "--images", str(images)),
                *("--duration", f"{duration_s:g}", "--warm-up", "1", "--json", *load, *form),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode and not may_fail:
        raise RuntimeError(f"{server.contender.name} fails: {done.stderr}{done.stdout}")
    summary: dict[str, Any] = json.loads(done.stdout)
    failed = [outcome for outcome in summary["outcomes"] if outcome["name"] != "200"]
    if failed and not may_fail:
        raise RuntimeError(f"{server.contender.name} answered {failed}; expected 200 only")
    return summary


class Bare:
    """The pipeline without a server.

    Args:
        estimator: of the same bundles.
        images: folder of pictures.
    """

    def __init__(self, estimator: PoseEstimator, images: Path) -> None:
        self._estimator = estimator
        paths = sorted(images.iterdir())
        self._pictures = [path.read_bytes() for path in paths]
        self.picture = paths[len(paths) // 2]

    def per_s(self, duration_s: float) -> float:
        """Pictures per second of one thread for each core, the pictures in turns."""
        cores = available_cores()
        numbers = count()
        start = time.perf_counter()

        def work() -> int:
            done = 0
            while time.perf_counter() - start < duration_s:
                # The next picture, whichever thread comes first.
                find_people(self._estimator, self._pictures[next(numbers) % len(self._pictures)])
                done += 1
            return done

        with ThreadPoolExecutor(cores) as pool:
            loops = [pool.submit(work) for _ in range(cores)]
            done = sum(loop.result() for loop in loops)
        return done / (time.perf_counter() - start)

    def median_ms(self, duration_s: float) -> float:
        """Milliseconds of one picture at a time, the one that `picture` names."""
        data = self.picture.read_bytes()
        times_ms: list[float] = []
        end = time.perf_counter() + duration_s
        while (started := time.perf_counter()) < end:
            find_people(self._estimator, data)
            times_ms.append((time.perf_counter() - started) * 1000)
        return statistics.median(times_ms)


def report(figures: Figures, contenders: Sequence[Contender]) -> Table:
    """Each figure with its bar."""
    rates = figures.per_s
    table = Table(title=f"{available_cores()} cores; {versions(contenders)}", highlight=True)
    for heading in ("figure", "median (least to most of the rounds)", "bar"):
        table.add_column(heading)
    for name, values in rates.items():
        table.add_row(f"pictures/s at saturation, {name}", _spread(values), "")
    ours = rates[OURS.name]
    for name, values in rates.items():
        if name != OURS.name:
            ratios = [mine / theirs for mine, theirs in zip(ours, values, strict=True)]
            table.add_row(f"{OURS.name} / {name}", _spread(ratios), _bar(name))
    table.add_row(f"p99 / median at {_MODERATE_LOAD:.0%} of that", _spread(figures.tail), "<= 2.5")
    table.add_row("ms added at one request at a time", _spread(figures.added_ms), "<= 2")
    for name, value in figures.overloaded_per_s.items():
        told = f"pictures/s within {_PATIENCE_S} s at {_OVERLOAD:g} times the capacity, {name}"
        table.add_row(told, f"{value:.2f}", "")
    for note in dict.fromkeys(figures.notes):
        table.add_row("warning", note, "")
    return table


def _bar(name: str) -> str:
    if name == _BARE:
        return ">= 0.90"
    return ">= 1.5" if name.endswith("plain") else ""


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _make_pictures(folder: Path) -> Path:
    """JPEG files of one photograph in several sizes."""
    folder.mkdir()
    astronaut = cv2.cvtColor(cast(Pixels, skimage.data.astronaut()), cv2.COLOR_RGB2BGR)
    for side in _SIDES_PX:
        resized = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_CUBIC)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        cv2.imwrite(str(folder / f"{side:04d}.jpg"), resized.astype(np.uint8), quality)
    return folder


if __name__ == "__main__":
    sys.exit(main())
