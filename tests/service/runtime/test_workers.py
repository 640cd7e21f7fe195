import asyncio
import threading
from collections.abc import Iterator

import pytest

from service.inference.errors import ShuttingDown
from service.runtime.ticket import ClientGone, DeadlinePassed, Ticket
from service.runtime.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(1)
    yield workers
    workers.close()


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
    done = asyncio.run(workers.run(threading.get_ident, Ticket()))

    assert done.value != threading.get_ident()
    assert done.queue_s >= 0
    assert done.work_s >= 0


def test_error_of_the_work_reaches_the_caller(workers):
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(workers.run(fail, Ticket()))


def test_loop_goes_on_while_a_thread_works(workers):
    async def scenario() -> str:
        gate = Gate()
        running = asyncio.create_task(workers.run(gate, Ticket()))
        await until(lambda: workers.running == 1)
        gate.opened.set()
        return (await running).value

    assert asyncio.run(scenario()) == "through"


def test_work_that_has_not_begun_is_dropped_when_the_client_leaves(workers):
    calls: list[str] = []

    async def scenario() -> None:
        gate, ticket = Gate(), Ticket()
        first = asyncio.create_task(workers.run(gate, Ticket()))
        await until(gate.begun.is_set)
        second = asyncio.create_task(workers.run(lambda: calls.append("ran"), ticket))
        await until(lambda: workers.waiting == 1)
        ticket.cancel()
        with pytest.raises(ClientGone):
            await second
        gate.opened.set()
        await first
        await workers.run(lambda: calls.append("next"), Ticket())

    asyncio.run(scenario())
    assert calls == ["next"]


def test_work_of_a_client_that_has_left_is_not_taken(workers):
    ticket = Ticket()
    ticket.cancel()

    with pytest.raises(ClientGone):
        asyncio.run(workers.run(lambda: pytest.fail("ran"), ticket))


def test_work_that_has_begun_is_awaited_though_the_client_left(workers):
    async def scenario() -> str:
        gate, ticket = Gate(), Ticket()
        running = asyncio.create_task(workers.run(gate, ticket))
        await until(gate.begun.is_set)
        ticket.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        return (await running).value

    assert asyncio.run(scenario()) == "through"


def test_work_that_has_not_begun_by_its_deadline_is_dropped(workers):
    calls: list[str] = []

    async def scenario() -> None:
        gate = Gate()
        first = asyncio.create_task(workers.run(gate, Ticket()))
        await until(gate.begun.is_set)
        with pytest.raises(DeadlinePassed, match="within"):
            await workers.run(lambda: calls.append("ran"), Ticket(0.01))
        assert workers.overdue == 0
        gate.opened.set()
        await first
        await workers.run(lambda: None, Ticket())

    asyncio.run(scenario())
    assert calls == []


def test_work_that_overruns_its_deadline_is_told_at_once_and_counted_until_it_ends(workers):
    async def scenario() -> None:
        gate = Gate()
        with pytest.raises(DeadlinePassed):
            await workers.run(gate, Ticket(0.5))
        assert (workers.running, workers.overdue) == (1, 1)
        gate.opened.set()
        await until(lambda: workers.overdue == 0)
        assert (workers.running, workers.waiting) == (0, 0)

    asyncio.run(scenario())


def test_waiting_and_running_work_is_counted(workers):
    async def scenario() -> tuple[int, int]:
        gate = Gate()
        tasks = [asyncio.create_task(workers.run(gate, Ticket())) for _ in range(3)]
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
        first = asyncio.create_task(workers.run(gate, Ticket()))
        await until(gate.begun.is_set)
        second = asyncio.create_task(workers.run(lambda: calls.append("ran"), Ticket()))
        await until(lambda: workers.waiting == 1)
        workers.close()
        gate.opened.set()
        await first
        with pytest.raises(ShuttingDown):
            await second

    asyncio.run(scenario())
    assert calls == []
