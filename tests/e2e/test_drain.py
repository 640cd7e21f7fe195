"""SIGTERM while requests come in: the short form of `python -m benchmarks.soak drain`."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.promises import Process, drain, logged_answers
from service.bench.requests import pack, parse_target
from tests.e2e.conftest import Launch

REPETITIONS = 3
WORK_MS, WORKERS, WAITING = 100, 2, 6
RATE = 40.0
"""Twice as many as can be answered, so that all places are taken when the signal comes."""
LOAD_S, LIMIT_S = 0.7, 20.0


@pytest.mark.slow
@pytest.mark.parametrize("repetition", range(REPETITIONS))
def test_no_answer_is_lost_when_the_service_is_told_to_leave_under_load(
    launch: Launch, picture: bytes, tmp_path: Path, repetition: int
) -> None:
    (tmp_path / "picture.png").write_bytes(picture)
    server = launch(
        *("-m", "benchmarks.slow_service", str(WORK_MS), "looks"),
        workers=WORKERS,
        max_waiting=WAITING,
        drain_timeout_s=LIMIT_S,
        log_format="json",
    ).wait_until_ready()
    process = Process(f"http://127.0.0.1:{server.port}", server.process.pid)
    requests = [pack(parse_target(process.url, "/predict"), tmp_path / "picture.png", (), None)]

    result = asyncio.run(
        drain(
            process,
            server.process,
            requests,
            rate=RATE,
            load_s=LOAD_S + 0.05 * repetition,
            limit_s=LIMIT_S,
        )
    )
    _, log = server.leave()

    assert result.code == 0
    assert result.lost == []
    # All that was worked out has reached its client: those admitted before the signal, all of them.
    assert result.answered == logged_answers(log) > WORKERS + WAITING
    assert result.readiness["503"]
    assert result.refused
    assert "unfinished" not in log
