"""Numbers and sentences from what a load gave."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from service.bench.load import Plan, Record, Sample

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
_LATE_MS, _LATE_SHARE = 5.0, 0.1
_LEAST_SENT_SHARE = 0.99
_BUSY_CORE = 0.8


@dataclass(frozen=True, slots=True)
class Outcome:
    """Requests that ended in the same way.

    Attributes:
        name: the status, with the kind of problem, or what broke.
        count: of requests.
        ms: quantiles of the time from the planned moment to the end.
    """

    name: str
    count: int
    ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """What came out of the part of a load that counts.

    Attributes:
        duration_s: of that part.
        offered_per_s: requests that were planned.
        sent_per_s: requests that were sent.
        goodput_per_s: good answers that came.
        ms: quantiles of the good answers' time from the planned moment on.
        outcomes: all requests planned in it, most frequent first.
        unfinished: requests that were still waited for when it was interrupted.
        lag_ms: quantiles of how much later than planned requests were sent.
        generator_cores: cores that this process kept busy.
        warnings: reasons not to trust the numbers.
    """

    duration_s: float
    offered_per_s: float
    sent_per_s: float
    goodput_per_s: float
    ms: dict[str, float]
    outcomes: list[Outcome]
    unfinished: int
    lag_ms: dict[str, float]
    generator_cores: float
    warnings: list[str]


def summarise(plan: Plan, record: Record) -> Summary:
    """The numbers of the part of a load after its warm-up."""
    duration_s = max(0.0, record.ended_s - plan.warm_up_s)
    planned = [s for s in record.samples if plan.warm_up_s <= s.planned_s < record.ended_s]
    sent = sum(plan.warm_up_s <= s.sent_s < record.ended_s for s in record.samples)
    came = sum(s.good and plan.warm_up_s <= s.done_s < record.ended_s for s in record.samples)
    good_ms = quantiles_ms([s.done_s - s.planned_s for s in planned if s.good])
    lag_ms = quantiles_ms([s.sent_s - s.planned_s for s in planned])
    cores = record.cpu_s / record.ended_s if record.ended_s else 0.0
    offered = len(planned) + record.unfinished
    return Summary(
        duration_s=duration_s,
        offered_per_s=_per_s(offered, duration_s),
        sent_per_s=_per_s(sent + record.unfinished, duration_s),
        goodput_per_s=_per_s(came, duration_s),
        ms=good_ms,
        outcomes=_outcomes(planned),
        unfinished=record.unfinished,
        lag_ms=lag_ms,
        generator_cores=cores,
        warnings=_warnings(good_ms, lag_ms, cores),
    )


def quantiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds by name of the quantile (nearest rank); empty without values."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {
        name: ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000
        for name, share in QUANTILES.items()
    }


def describe(plan: Plan, summary: Summary) -> str:
    """The summary for people."""
    loop = (
        f"{plan.concurrency} at a time (closed loop: a slow service is asked less)"
        if plan.rate is None
        else f"{plan.rate:g}/s, {plan.arrivals} arrivals"
    )
    lines = [
        f"{loop}, {summary.duration_s:.1f} s after {plan.warm_up_s:g} s of warm-up",
        f"goodput  {summary.goodput_per_s:.1f}/s good answers; "
        f"offered {summary.offered_per_s:.1f}/s, sent {summary.sent_per_s:.1f}/s",
        f"latency  {_listed(summary.ms)}",
        *(f"{_heading(outcome)}  {_listed(outcome.ms)}" for outcome in summary.outcomes),
    ]
    if summary.unfinished:
        lines.append(f"interrupted: {summary.unfinished} requests without an answer")
    lines.append(
        f"generator  {summary.generator_cores:.2f} cores, sent late by {_listed(summary.lag_ms)}"
    )
    return "\n".join([*lines, *(f"warning: {text}" for text in summary.warnings)])


def _outcomes(samples: Sequence[Sample]) -> list[Outcome]:
    by_name: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        by_name[sample.outcome].append(sample.done_s - sample.planned_s)
    outcomes = [Outcome(name, len(times), quantiles_ms(times)) for name, times in by_name.items()]
    return sorted(outcomes, key=lambda outcome: -outcome.count)


def _warnings(ms: dict[str, float], lag_ms: dict[str, float], cores: float) -> list[str]:
    found: list[str] = []
    late_ms = lag_ms.get("p99", 0.0)
    if late_ms > max(_LATE_MS, _LATE_SHARE * ms.get("p50", 0.0)):
        found.append(
            f"the generator fell behind: 1 % of the requests were sent {late_ms:.1f} ms late or "
            "more, which counts as latency here; give it a core, or ask less"
        )
    if cores > _BUSY_CORE:
        found.append(f"the generator kept {cores:.2f} cores busy and may be the bottleneck")
    return found


def _heading(outcome: Outcome) -> str:
    return f"{outcome.count:7d} x {outcome.name}"


def _listed(ms: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.1f}" for name, value in ms.items()) + " ms" if ms else "none"


def _per_s(count: int, duration_s: float) -> float:
    return count / duration_s if duration_s else 0.0
