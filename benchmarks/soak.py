"""The promises under load in their long form: `python -m benchmarks.soak overload|drain|memory`.

Each starts the service from this checkout with the bundles of `models/`. Overload and drain give it
a detector that only waits (`--wait-ms`, 0 for the plain service), so that the service's own limits
are what is met and not those of the cores, which the load generator shares.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import cv2
import skimage.data
from pydantic import Field
from pydantic_settings import BaseSettings, CliApp, CliPositionalArg, SettingsConfigDict

from benchmarks.promises import Memory, Overload, Process, drain, logged_answers, memory, overload
from benchmarks.servers.contenders import Contender, Running, running
from service.bench.requests import pack, parse_target
from service.inference.types import Pixels

WAITING = 8
REJECTED_MS, GOODPUT_SHARE, GROWTH, DRAIN_LIMIT_S = 50, 0.9, 0.05, 20.0
_DRAIN_RATE_PER_S = 60.0
_SIDES_PX = (64, 120, 333, 640, 1000, 1600, 2400)
_SUFFIXES = (".jpg", ".png", ".webp", ".bmp")


class SoakSettings(BaseSettings):
    """Tries a promise of the service for a long time; exits with 1 if it is broken."""

    model_config = SettingsConfigDict(
        cli_prog_name="python -m benchmarks.soak", cli_kebab_case=True
    )

    promise: CliPositionalArg[Literal["overload", "drain", "memory"]] = Field(
        description="What is tried."
    )
    seconds: float = Field(default=30.0, gt=0, description="Of the overload.")
    repetitions: int = Field(default=20, ge=1, description="Of the drain.")
    requests: int = Field(default=20_000, ge=2_000, description="Of the memory test.")
    wait_ms: float = Field(default=50.0, ge=0, description="What each run of the detector waits.")
    workers: int = Field(default=2, ge=1, description="Threads of the service.")


def main() -> int:
    """Prints what was measured; 1 where the promise was not kept."""
    settings = CliApp.run(SoakSettings)
    with tempfile.TemporaryDirectory() as scratch:
        match settings.promise:
            case "overload":
                kept = try_overload(settings, Path(scratch))
            case "drain":
                kept = [try_drain(settings, Path(scratch)) for _ in range(settings.repetitions)]
                print(f"{sum(kept)} of {len(kept)} drains without a lost answer")
                kept = all(kept)
            case "memory":
                kept = try_memory(settings, Path(scratch))
    print("kept" if kept else "BROKEN")
    return 0 if kept else 1


def try_overload(settings: SoakSettings, scratch: Path) -> bool:
    """Ten times more requests than the service can answer."""
    with _service(settings, scratch, "--log-level", "error") as server:
        process = Process(server.url, server.process.pid)
        load = overload(
            process,
            [pack(parse_target(server.url, "/predict"), _photograph(scratch), (), None)],
            seconds=settings.seconds,
            capacity=settings.workers + WAITING,
        )
        result = asyncio.run(load)
    _print_overload(result)
    return (
        result.rejected_ms["p50"] <= REJECTED_MS
        and result.summary.goodput_per_s >= GOODPUT_SHARE * result.peak_per_s
        and result.growth <= GROWTH
        and not result.others
        and not result.failed_probes
    )


def _print_overload(result: Overload) -> None:
    share = result.summary.goodput_per_s / result.peak_per_s
    print(f"peak      {result.peak_per_s:.1f}/s; offered {result.summary.offered_per_s:.1f}/s")
    print(f"goodput   {result.summary.goodput_per_s:.1f}/s, {share:.1%} of the peak")
    print(f"rejected  {_ms(result.rejected_ms)}")
    print(f"probes    {_ms(result.probe_ms)}, {result.failed_probes} failed")
    print(f"memory    {result.growth:+.2%}; other outcomes: {result.others or 'none'}")


def try_drain(settings: SoakSettings, scratch: Path) -> bool:
    """SIGTERM while requests come in."""
    with _service(settings, scratch, "--log-format", "json") as server:
        process = Process(server.url, server.process.pid)
        requests = [pack(parse_target(server.url, "/predict"), _photograph(scratch), (), None)]
        result = asyncio.run(
            drain(
                *(process, server.process, requests),
                rate=_DRAIN_RATE_PER_S,
                load_s=1.0,
                limit_s=DRAIN_LIMIT_S,
            )
        )
    logged = logged_answers(_log(scratch).read_text())
    print(
        f"exit {result.code} after {result.seconds:.2f} s: {result.answered} answered, {logged} "
        f"logged, {len(result.lost)} lost, {result.refused} refused while it left; "
        f"readiness {dict(result.readiness)}"
    )
    return result.code == 0 and not result.lost and result.answered == logged


def try_memory(settings: SoakSettings, scratch: Path) -> bool:
    """Pictures of all sizes and formats, some of them broken, many times."""
    plain = settings.model_copy(update={"wait_ms": 0})
    with _service(plain, scratch, "--log-level", "error") as server:
        requests = list(mixed_requests(server.url, scratch))
        process = Process(server.url, server.process.pid)
        result = asyncio.run(memory(process, requests, count=settings.requests, first=1000))
    _print_memory(result, settings.requests)
    return result.growth < GROWTH and set(result.statuses) == {200, 422}


def _print_memory(result: Memory, requests: int) -> None:
    first, last = result.first_bytes / 2**20, result.last_bytes / 2**20
    print(f"{requests} requests: {dict(Counter(result.statuses))}")
    print(f"resident  {first:.1f} MiB after 1000, {last:.1f} MiB at the end: {result.growth:+.2%}")


def mixed_requests(url: str, folder: Path, longest_px: int = _SIDES_PX[-1]) -> Iterator[bytes]:
    """Requests with a photograph in many sizes and formats, whole and cut off, bare and in forms.

    Args:
        url: of the service.
        folder: for the pictures.
        longest_px: side of the largest picture.
    """
    target = parse_target(url, "/predict")
    photograph = cv2.cvtColor(cast(Pixels, skimage.data.astronaut()), cv2.COLOR_RGB2BGR)
    for side in (side for side in _SIDES_PX if side <= longest_px):
        for suffix in _SUFFIXES:
            path = folder / f"{side}{suffix}"
            cv2.imwrite(str(path), cv2.resize(photograph, (side, side * 3 // 4)))
            cut = folder / f"{side}-cut{suffix}"
            cut.write_bytes(path.read_bytes()[:-100])
            yield pack(target, path, (), None)
            yield pack(target, path, (), "image")
            yield pack(target, cut, (), None)


@contextmanager
def _service(settings: SoakSettings, scratch: Path, *flags: str) -> Generator[Running]:
    waits = ("-m", "benchmarks.slow_service", f"{settings.wait_ms:g}", "blind")
    command = (
        *("python", *(waits if settings.wait_ms else ("-m", "service", "serve"))),
        *("--port", "{port}", "--workers", str(settings.workers), "--max-waiting", str(WAITING)),
        *("--drain-timeout-s", f"{DRAIN_LIMIT_S:g}", *flags),
    )
    contender = Contender("the service", command, health="/health/ready")
    folder = Path(sys.executable).parent
    with running(contender, folder, _log(scratch)) as server, server.awake():
        yield server


def _log(scratch: Path) -> Path:
    return scratch / "service.log"


def _photograph(scratch: Path) -> Path:
    path = scratch / "photograph.jpg"
    cv2.imwrite(str(path), cv2.cvtColor(cast(Pixels, skimage.data.astronaut()), cv2.COLOR_RGB2BGR))
    return path


def _ms(quantiles: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} ms" for name, value in quantiles.items())


if __name__ == "__main__":
    sys.exit(main())
