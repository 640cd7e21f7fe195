"""When a client tries again; time passes only in the test."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from service.client_flow import Patience, StanceProblem, Unreachable, attempts, retry_after_s

BUSY = httpx.Response(503, headers={"retry-after": "7"})


def steps(*outcomes, budget_s: float, jitter: float = 0.0) -> list[float]:
    """The pauses that are asked for, when each outcome comes at once and pauses pass."""
    now, pauses = 0.0, []
    request = httpx.Request("GET", "http://test")
    flow = attempts(lambda _: request, Patience(budget_s, lambda: now, lambda: jitter))
    step = next(flow)
    for outcome in outcomes:
        assert step is request
        try:
            step = flow.send(outcome)
        except (StopIteration, StanceProblem, Unreachable):
            break
        pauses.append(step)
        now += step
        step = next(flow)
    return pauses


def test_pauses_double_up_to_a_cap_within_the_budget():
    refused = [httpx.ConnectError("refused")] * 50

    pauses = steps(*refused, budget_s=30)

    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(pauses) == 5
    assert 20 < sum(pauses) < 30


def test_pauses_are_spread_by_chance():
    refused = [httpx.ConnectError("refused")] * 2

    assert steps(*refused, budget_s=30, jitter=1.0) == [0.05, 0.1]


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_pause_is_never_shorter_than_asked(jitter):
    (pause,) = steps(BUSY, budget_s=30, jitter=jitter)

    assert 7 <= pause < 10


def test_retry_after_is_read_as_seconds_and_as_date():
    now = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    earlier = format_datetime(now - timedelta(seconds=90), usegmt=True)

    read = [retry_after_s(httpx.Headers({"retry-after": text}), now) for text in ("3", later)]

    assert read == [3, 90]
    assert retry_after_s(httpx.Headers({"retry-after": earlier}), now) == 0
    assert retry_after_s(httpx.Headers({"retry-after": "soon"}), now) is None
    assert retry_after_s(httpx.Headers(), now) is None
