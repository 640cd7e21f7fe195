"""What the service promises under load, tried on a running process and measured from outside."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from service.bench.connections import Connections
from service.bench.load import Plan, Record, Sample, run
from service.bench.requests import Target, parse_target
from service.bench.summary import Summary, quantiles_ms, summarise

PROBED = ("/health/live", "/health/ready", "/metrics", "/openapi.json")
"""What is never queued or rejected."""
_PROBE_EVERY_S = 0.05
_WARM_UP_SHARE = 0.2
_ANSWERED, _BUSY, _LEAVING = "200", "503 overloaded", "503 shutting-down"
# A request may be on its way to the server when the signal is.
_ON_THE_WAY_S = 0.1


@dataclass(frozen=True, slots=True)
class Process:
    """A running service.

    Attributes:
        url: of it.
        pid: of its process.
    """

    url: str
    pid: int

    def rss_bytes(self) -> int:
        """Resident memory, as Linux tells in `/proc`."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Watch:
    """What was seen of a service while something else went on.

    Attributes:
        probe_s: of each route that must answer.
        statuses: of `/health/ready`, and what broke.
        failed: probes of other routes that were not answered with 200.
        rss_bytes: resident memory, each time.
    """

    probe_s: list[float] = field(default_factory=list[float])
    statuses: Counter[str] = field(default_factory=Counter[str])
    failed: int = 0
    rss_bytes: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class Overload:
    """A service that is asked for many times what it can answer.

    Attributes:
        peak_per_s: good answers of a load that it can just bear.
        summary: of the overload.
        rejected_ms: quantiles of the time from sending to a 503.
        probe_ms: quantiles of the routes that must answer, meanwhile.
        failed_probes: of them.
        growth: of resident memory from the end of the warm-up to the end.
        others: outcomes that are neither an answer nor a rejection.
    """

    peak_per_s: float
    summary: Summary
    rejected_ms: dict[str, float]
    probe_ms: dict[str, float]
    failed_probes: int
    growth: float
    others: dict[str, int]


@dataclass(frozen=True, slots=True)
class Drain:
    """A service that was told to leave under load.

    Attributes:
        code: of the exit.
        seconds: from the signal to the end of the process.
        answered: requests with a result.
        lost: requests sent before the signal, without a result or a rejection.
        refused: requests sent after it that were answered with 503.
        readiness: how often each status of `/health/ready` was seen after the signal.
    """

    code: int
    seconds: float
    answered: int
    lost: list[Sample]
    refused: int
    readiness: Counter[str]


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes after the first requests and after all of them, and what the answers were."""

    first_bytes: int
    last_bytes: int
    statuses: Counter[int]

    @property
    def growth(self) -> float:
        return self.last_bytes / self.first_bytes - 1


async def overload(
    process: Process,
    requests: Sequence[bytes],
    *,
    seconds: float,
    capacity: int,
    factor: float = 10.0,
) -> Overload:
    """Measures the peak, then offers a multiple of it.

    Args:
        process: the service.
        requests: packed ones.
        seconds: of the overload.
        capacity: requests that the service admits at once, all of which it is given for the peak.
        factor: offered over peak.
    """
    target = parse_target(process.url, "/predict")
    gentle = Plan(duration_s=max(1.0, seconds / 4), warm_up_s=0.5, concurrency=capacity)
    peak_per_s = summarise(gentle, await run(gentle, target, requests)).goodput_per_s
    plan = Plan(
        duration_s=seconds,
        warm_up_s=_WARM_UP_SHARE * seconds,
        rate=factor * peak_per_s,
        arrivals="poisson",
    )
    async with _watching(process, PROBED) as watch:
        record = await run(plan, target, requests)
    early = watch.rss_bytes[round(len(watch.rss_bytes) * plan.warm_up_s / plan.end_s)]
    rejected = [s.done_s - s.sent_s for s in record.samples if s.outcome == _BUSY]
    outcomes = Counter(s.outcome for s in record.samples)
    return Overload(
        peak_per_s=peak_per_s,
        summary=summarise(plan, record),
        rejected_ms=quantiles_ms(rejected),
        probe_ms=quantiles_ms(watch.probe_s),
        failed_probes=watch.failed + watch.statuses.total() - watch.statuses["200"],
        growth=watch.rss_bytes[-1] / early - 1,
        others={name: count for name, count in outcomes.items() if name not in (_ANSWERED, _BUSY)},
    )


async def drain(
    process: Process,
    handle: "subprocess.Popen[str] | subprocess.Popen[bytes]",
    requests: Sequence[bytes],
    *,
    rate: float,
    load_s: float,
    limit_s: float,
) -> Drain:
    """Sends SIGTERM to a service that is being asked, and goes on asking until it has left.

    Args:
        process: the service.
        handle: of its process.
        requests: packed ones.
        rate: requests per second.
        load_s: seconds before the signal.
        limit_s: seconds in which the process must end after it.

    Raises:
        TimeoutExpired: the process has not ended.
    """
    plan = Plan(duration_s=load_s + limit_s, rate=rate)
    started = time.perf_counter()
    load = asyncio.create_task(run(plan, parse_target(process.url, "/predict"), requests))
    await asyncio.sleep(load_s)
    async with _watching(process, ("/health/ready",)) as watch:
        signalled = time.perf_counter()
        handle.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(handle.wait, limit_s)
    seconds = time.perf_counter() - signalled
    load.cancel()
    return _drained(await load, signalled - started, code, seconds, watch)


def _drained(record: Record, term_s: float, code: int, seconds: float, watch: Watch) -> Drain:
    before = [s for s in record.samples if s.sent_s < term_s - _ON_THE_WAY_S]
    return Drain(
        code=code,
        seconds=seconds,
        answered=sum(s.outcome == _ANSWERED for s in record.samples),
        lost=[s for s in before if s.outcome not in (_ANSWERED, _BUSY)],
        refused=sum(s.outcome == _LEAVING for s in record.samples),
        readiness=watch.statuses,
    )


def logged_answers(log: str) -> int:
    """Pictures that a service has answered, by its log in JSON."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return sum(line.get("path") == "/predict" and line.get("status") == 200 for line in lines)


async def memory(
    process: Process, requests: Sequence[bytes], *, count: int, first: int, callers: int = 4
) -> Memory:
    """Asks many times and looks at the memory before most of them and after all.

    Args:
        process: the service.
        requests: packed ones, sent in turns.
        count: of requests.
        first: of them, after which the growth is counted.
        callers: at a time.
    """
    connections = Connections(parse_target(process.url, "/predict"))
    turns, statuses = cycle(requests), Counter[int]()

    async def ask(some: Iterator[bytes]) -> None:
        for request in some:
            statuses[(await connections.ask(request)).status] += 1

    sizes: list[int] = []
    for number in (first, count - first):
        # One iterator for all callers: each takes the next request.
        shared = islice(turns, number)
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(ask(shared))
        sizes.append(process.rss_bytes())
    connections.close()
    return Memory(sizes[0], sizes[1], statuses)


@asynccontextmanager
async def _watching(process: Process, paths: Sequence[str]) -> AsyncGenerator[Watch]:
    """Probes a service and its memory within the block."""
    watch = Watch()
    watcher = asyncio.create_task(_watch(process, paths, watch))
    try:
        yield watch
    finally:
        watcher.cancel()
        await asyncio.wait({watcher})


async def _watch(process: Process, paths: Sequence[str], watch: Watch) -> None:
    target = parse_target(process.url, "/")
    connections = Connections(target)
    try:
        for path in cycle(paths):
            watch.rss_bytes.append(process.rss_bytes())
            await _probe(connections, path, _get(target, path), watch)
            await asyncio.sleep(_PROBE_EVERY_S)
    finally:
        connections.close()


async def _probe(connections: Connections, path: str, request: bytes, watch: Watch) -> None:
    started = time.perf_counter()
    try:
        status = str((await connections.ask(request)).status)
    except OSError as error:
        status = type(error).__name__
    watch.probe_s.append(time.perf_counter() - started)
    if path == "/health/ready":
        watch.statuses[status] += 1
    elif status != "200":
        watch.failed += 1


def _get(target: Target, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n\r\n".encode()
