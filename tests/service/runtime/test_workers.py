import asyncio
import threading
from collections.abc import Iterator

import pytest

from service.runtime.workers import ClientGone, Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(1)
    yield workers
    workers.close()


async def stays() -> None:
    await asyncio.Event().wait()


async def leaves() -> None:
    return None


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class Gate:
    """Work that lasts until it is opened."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.opened.wait(10)
        return "through"


def test_work_runs_in_another_thread(workers):
    done = asyncio.run(workers.run(threading.get_ident, stays))

    assert done.value != threading.get_ident()
    assert done.queue_s >= 0
    assert done.work_s >= 0


def test_error_of_the_work_reaches_the_caller(workers):
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(workers.run(fail, stays))


def test_loop_goes_on_while_a_thread_works(workers):
    async def scenario() -> str:
        gate = Gate()
        running = asyncio.create_task(workers.run(gate, stays))
        await until(lambda: workers.running == 1)
        gate.opened.set()
        return (await running).value

    assert asyncio.run(scenario()) == "through"


def test_work_that_has_not_begun_is_dropped_when_the_client_leaves(workers):
    calls: list[str] = []

    async def scenario() -> None:
        gate = Gate()
        first = asyncio.create_task(workers.run(gate, stays))
        await until(lambda: workers.running == 1)
        with pytest.raises(ClientGone):
            await workers.run(lambda: calls.append("ran"), leaves)
        gate.opened.set()
        await first
        await workers.run(lambda: calls.append("next"), stays)

    asyncio.run(scenario())
    assert calls == ["next"]


def test_work_that_has_begun_is_awaited_though_the_client_left(workers):
    async def scenario() -> str:
        gate = Gate()
        gone = asyncio.Event()

        async def leaves_later() -> None:
            await gone.wait()

        running = asyncio.create_task(workers.run(gate, leaves_later))
        await until(gate.begun.is_set)
        gone.set()
        await asyncio.sleep(0)
        gate.opened.set()
        return (await running).value

    assert asyncio.run(scenario()) == "through"


def test_waiting_and_running_work_is_counted(workers):
    async def scenario() -> tuple[int, int]:
        gate = Gate()
        tasks = [asyncio.create_task(workers.run(gate, stays)) for _ in range(3)]
        await until(gate.begun.is_set)
        counts = (workers.running, workers.waiting)
        gate.opened.set()
        await asyncio.gather(*tasks)
        assert (workers.running, workers.waiting) == (0, 0)
        return counts

    assert asyncio.run(scenario()) == (1, 2)


def test_closing_drops_what_waits(workers):
    calls: list[str] = []

    async def scenario() -> None:
        gate = Gate()
        first = asyncio.create_task(workers.run(gate, stays))
        await until(gate.begun.is_set)
        second = asyncio.create_task(workers.run(lambda: calls.append("ran"), stays))
        await until(lambda: workers.waiting == 1)
        workers.close()
        gate.opened.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await second

    asyncio.run(scenario())
    assert calls == []
