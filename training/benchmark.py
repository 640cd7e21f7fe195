"""The verb `benchmark`: how fast a network answers, by batch size, in the service's session."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from service.inference.errors import InvalidInput
from service.inference.execution import Device
from service.inference.session import Session
from training.hardware import cpu_model, gpu_names
from training.open_model import open_model

WARM_UP_RUNS = 3
MIN_RUNS = 10

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one batch size takes.

    Attributes:
        batch_size: crops or pictures in a run.
        runs: measured, after the warm-up.
        median_ms: of a run.
        p95_ms: 95 of 100 runs were at least as fast.
        per_second: crops or pictures, by the median.
    """

    batch_size: int
    runs: int
    median_ms: float
    p95_ms: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What was timed, on what, and the timings.

    Attributes:
        model: name and version of the network.
        unit: what the network takes: `crops` or `pictures`.
        input: `HEIGHTxWIDTH` in pixels.
        provider: that ran it.
        processor: name of the processor or card.
        threads: for one run on the CPU; None on other devices and for runs in Keras.
        timings: by batch size, as asked.
    """

    model: str
    unit: str
    input: str
    provider: str
    processor: str
    threads: int | None
    timings: tuple[Timing, ...]


def run_benchmark(
    model: Path,
    *,
    batch_sizes: Sequence[int],
    device: Device = "auto",
    threads: int = 1,
    seconds: float = 3.0,
    as_json: bool = False,
) -> Benchmark:
    """Times a bundle or a run on noise and prints a table.

    Args:
        model: folder of a run or a bundle, or an ONNX file.
        batch_sizes: timed one after the other.
        device: for bundles; a run takes what Keras finds.
        threads: for one run of a bundle on the CPU.
        seconds: to measure each batch size for, and at least `MIN_RUNS` runs.
        as_json: print JSON instead of a table.

    Raises:
        InvalidInput: no batch size, or one below 1.
        PoseError: the model cannot be opened.
    """
    if not batch_sizes or min(batch_sizes) < 1:
        raise InvalidInput(f"batch_sizes: got {list(batch_sizes)}, expected numbers of 1 or more")
    session = open_model(model, device, threads=threads)
    on_onnx_cpu = session.provider.startswith("CPU")
    result = Benchmark(
        model=session.card.reference,
        unit="crops" if session.card.task == "keypoints" else "pictures",
        input=f"{session.card.input.height}x{session.card.input.width}",
        provider=session.provider,
        processor=_processor(session.provider),
        threads=threads if on_onnx_cpu else None,
        timings=tuple(time_batches(session, size, seconds) for size in batch_sizes),
    )
    _print_benchmark(result, as_json=as_json)
    return result


def time_batches(
    session: Session, batch_size: int, seconds: float, clock: Clock = time.perf_counter
) -> Timing:
    """Times runs on one batch of noise, after `WARM_UP_RUNS` that do not count."""
    size = session.card.input
    shape = (batch_size, size.height, size.width, 3)
    batch = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for _ in range(WARM_UP_RUNS):
        session.run(batch)
    durations: list[float] = []
    while len(durations) < MIN_RUNS or sum(durations) < seconds:
        started = clock()
        session.run(batch)
        durations.append(clock() - started)
    median = float(np.median(durations))
    return Timing(
        batch_size=batch_size,
        runs=len(durations),
        median_ms=round(median * 1e3, 3),
        p95_ms=round(float(np.percentile(durations, 95)) * 1e3, 3),
        per_second=round(batch_size / median, 1),
    )


def _processor(provider: str) -> str:
    """A run in Keras may use either: both are named then."""
    cards = gpu_names()
    if provider.startswith("CUDA") and cards:
        return cards[0]
    return cpu_model() if provider.startswith("CPU") else " and ".join([cpu_model(), *cards])


def _print_benchmark(result: Benchmark, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(result), indent=2) + "\n")
        return
    console = Console(highlight=False)
    threads = f", {result.threads} thread(s) a run" if result.threads else ""
    console.print(
        f"{result.model} {result.input} by {result.provider} on {result.processor}{threads}",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("batch", "median ms", "p95 ms", f"{result.unit}/s", "runs"):
        table.add_column(name, justify="right")
    for timing in result.timings:
        table.add_row(
            str(timing.batch_size),
            f"{timing.median_ms:.2f}",
            f"{timing.p95_ms:.2f}",
            f"{timing.per_second:.1f}",
            str(timing.runs),
        )
    console.print(table)
    console.print(
        f"One caller, noise as input, after {WARM_UP_RUNS} runs to warm up; without decoding, "
        "cropping and drawing of pictures.",
        style="dim",
        soft_wrap=True,
    )
