"""What both clients share after a request is built: failures, and when to try again."""

import email.utils
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from pydantic import ValidationError

from service.http.schemas import Problem
from service.inference.errors import PoseError

RETRIED_STATUSES = frozenset({429, 503})
"""Answers that say: not now. Every other answer is final."""
_RETRIED_ERRORS = (
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_JITTER = 0.25
_SHOWN_CHARACTERS = 200

Step = httpx.Request | float
"""What a client is to do next: send a request, or wait for some seconds."""
Outcome = httpx.Response | httpx.TransportError | None
"""What came of it; None after a wait."""


class StanceProblem(PoseError):
    """The service answered a request, or an item of a batch, with a problem document (RFC 9457).

    Attributes:
        problem: the document; its fields are attributes of this error too.
        request_id: under which the service's log explains it.
    """

    def __init__(self, problem: Problem, request_id: str | None = None) -> None:
        super().__init__(f"{problem.title} ({problem.status}): {problem.detail}")
        self.problem = problem
        self.type = problem.type
        self.title = problem.title
        self.status = problem.status
        self.detail = problem.detail
        self.instance = problem.instance
        self.request_id = request_id or problem.instance


class Unreachable(PoseError):
    """No answer came, in the time that was given."""


class UnexpectedAnswer(PoseError):
    """The answer is not what this client understands; is it the service that answers there?"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes:
        budget_s: from the first attempt on; no attempt begins after it.
        clock: seconds, monotonic.
        jitter: a random number in 0..1 for each pause.
    """

    budget_s: float
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


def attempts(
    request: Callable[[float], httpx.Request], patience: Patience
) -> Generator[Step, Outcome, httpx.Response]:
    """Asks for a request or a pause at a time, until there is an answer that is final.

    Written once as a generator, so that one client can block and the other await.

    Args:
        request: makes the request of an attempt, given the seconds since the first.
        patience: when to give up.

    Returns:
        An answer with a status of success.

    Raises:
        StanceProblem: the answer is a problem, and trying again is of no use or there is no time.
        Unreachable: no answer came.
    """
    started = patience.clock()
    attempt = 0
    while True:
        sent = request(patience.clock() - started)
        outcome = yield sent
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return outcome
        pause_s = _pause_s(outcome, attempt, patience.jitter())
        if pause_s is None or patience.clock() + pause_s - started >= patience.budget_s:
            raise _failure(sent, outcome)
        yield pause_s
        attempt += 1


def retry_after_s(headers: httpx.Headers, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for, as a number or until a date.

    Returns:
        None where there is no header or nobody can read it.

    Source: RFC 9110, section 10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date without a zone is in UTC, as all dates of HTTP are.
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - now).total_seconds())


def problem_of(response: httpx.Response) -> StanceProblem:
    """The problem in an answer; of a proxy's answer what can be told of it."""
    request_id = response.headers.get("x-request-id")
    try:
        return StanceProblem(Problem.model_validate_json(response.content), request_id)
    except ValidationError:
        problem = Problem(
            type="about:blank",
            title=response.reason_phrase or "No problem document",
            status=response.status_code,
            detail=response.text[:_SHOWN_CHARACTERS] or "The answer is empty.",
            instance=request_id or "",
        )
        return StanceProblem(problem)


def _pause_s(outcome: Outcome, attempt: int, jitter: float) -> float | None:
    """Seconds until the next attempt; None where the outcome is final."""
    backoff_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * (1 - jitter / 2)
    if isinstance(outcome, httpx.Response):
        if outcome.status_code not in RETRIED_STATUSES:
            return None
        asked_s = retry_after_s(outcome.headers, datetime.now(UTC))
        # Never earlier than asked, and not all clients at the same moment.
        return backoff_s if asked_s is None else asked_s * (1 + jitter * _JITTER) + backoff_s
    return backoff_s if isinstance(outcome, _RETRIED_ERRORS) else None


def _failure(sent: httpx.Request, outcome: Outcome) -> PoseError:
    if isinstance(outcome, httpx.Response):
        return problem_of(outcome)
    reason = str(outcome) or type(outcome).__name__
    failure = Unreachable(f"{sent.method} {sent.url} got no answer: {reason}.")
    failure.__cause__ = outcome
    return failure
