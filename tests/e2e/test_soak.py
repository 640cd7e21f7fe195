"""Many requests of all kinds do not make the process grow: `benchmarks.soak memory`, shortened."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.promises import Process, memory
from benchmarks.soak import GROWTH, mixed_requests
from tests.e2e.conftest import Launch

REQUESTS, FIRST, LONGEST_PX = 2000, 700, 640


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_requests(launch: Launch, tmp_path: Path) -> None:
    server = launch(workers=2, max_waiting=8, log_level="error").wait_until_ready()
    process = Process(f"http://127.0.0.1:{server.port}", server.process.pid)
    requests = list(mixed_requests(process.url, tmp_path, LONGEST_PX))

    result = asyncio.run(memory(process, requests, count=REQUESTS, first=FIRST))

    assert set(result.statuses) == {200, 422}
    assert result.statuses.total() == REQUESTS
    assert result.growth < GROWTH, (result.first_bytes, result.last_bytes)
