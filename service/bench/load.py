"""Sends requests by a plan and notes what became of each.

An open loop sends at the planned moment whether or not earlier answers have come, as the users of a
service do, and counts an answer's time from that moment: a stall then harms all who would have
asked during it, not only the one request that met it.

Source: G. Tene, "How NOT to Measure Latency" (coordinated omission); B. Schroeder, A. Wierman and
M. Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal

from service.bench.connections import Connections
from service.bench.requests import Target

Arrivals = Literal["constant", "poisson"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent when.

    Attributes:
        duration_s: of the part that counts.
        warm_up_s: of the part before.
        rate: requests per second of an open loop; None for a closed one.
        arrivals: with the same time between requests, or as of many users who know nothing of each
            other.
        concurrency: of a closed loop: so many are sent, and each answer is followed by the next
            request.
        timeout_s: for an answer.
        seed: of the order of pictures and of the arrivals.
    """

    duration_s: float
    warm_up_s: float = 0.0
    rate: float | None = None
    arrivals: Arrivals = "constant"
    concurrency: int = 1
    timeout_s: float = 60.0
    seed: int = 0

    @property
    def end_s(self) -> float:
        return self.warm_up_s + self.duration_s

    def moments_s(self) -> Iterator[float]:
        """When an open loop sends, in seconds from the start."""
        rng = random.Random(self.seed)
        rate = self.rate or 0.0
        moment = rng.expovariate(rate) if self.arrivals == "poisson" else 0.0
        sent = 0
        while moment < self.end_s:
            yield moment
            sent += 1
            moment = moment + rng.expovariate(rate) if self.arrivals == "poisson" else sent / rate


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, in seconds from the start.

    Attributes:
        planned_s, sent_s, done_s: when it should have been sent, was sent, and was over.
        outcome: the status, with the kind of problem if the answer tells it, or what broke.
        good: it was answered with a status of 2xx.
    """

    planned_s: float
    sent_s: float
    done_s: float
    outcome: str
    good: bool


@dataclass(slots=True)
class Record:
    """What a load gave.

    Attributes:
        samples: of requests that are over.
        unfinished: requests that were still waited for at the end.
        ended_s: the end of the load, before the plan's end if it was interrupted.
        cpu_s: processor time of this process meanwhile.
    """

    samples: list[Sample] = field(default_factory=list[Sample])
    unfinished: int = 0
    ended_s: float = 0.0
    cpu_s: float = 0.0


async def run(plan: Plan, target: Target, requests: Sequence[bytes]) -> Record:
    """Carries out a plan; when cancelled, gives what there is so far.

    Args:
        plan: when to send.
        target: the server.
        requests: packed ones, sent in turns.
    """
    shuffled = random.Random(plan.seed).sample(requests, len(requests))
    load = _Load(plan, Connections(target), cycle(shuffled))
    cpu_s = time.process_time()
    try:
        if plan.rate is None:
            await load.closed_loop()
        else:
            await load.open_loop()
    except asyncio.CancelledError:
        load.record.ended_s = min(plan.end_s, load.now_s())
    else:
        load.record.ended_s = plan.end_s
    load.record.cpu_s = time.process_time() - cpu_s
    load.connections.close()
    return load.record


class _Load:
    def __init__(self, plan: Plan, connections: Connections, requests: Iterator[bytes]) -> None:
        self.record = Record()
        self.connections = connections
        self._plan = plan
        self._requests = requests
        self._started = time.perf_counter()

    def now_s(self) -> float:
        return time.perf_counter() - self._started

    async def open_loop(self) -> None:
        async with asyncio.TaskGroup() as group:
            for planned_s in self._plan.moments_s():
                # Also when late: answers that have come must be noted when they come.
                await asyncio.sleep(max(0.0, planned_s - self.now_s()))
                group.create_task(self._ask(planned_s))

    async def closed_loop(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.concurrency):
                group.create_task(self._keep_asking())

    async def _keep_asking(self) -> None:
        while (now_s := self.now_s()) < self._plan.end_s:
            await self._ask(now_s)

    async def _ask(self, planned_s: float) -> None:
        sent_s = self.now_s()
        self.record.unfinished += 1
        outcome, good = await self._outcome()
        self.record.unfinished -= 1
        self.record.samples.append(Sample(planned_s, sent_s, self.now_s(), outcome, good))

    async def _outcome(self) -> tuple[str, bool]:
        try:
            async with asyncio.timeout(self._plan.timeout_s):
                answer = await self.connections.ask(next(self._requests))
        except TimeoutError:
            return "no answer in time", False
        except ConnectionRefusedError:
            return "connection refused", False
        except OSError as error:
            return f"connection failed: {error}", False
        named = f"{answer.status} {answer.problem}" if answer.problem else str(answer.status)
        return named, 200 <= answer.status < 300
