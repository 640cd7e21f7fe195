import asyncio
import threading

import pytest

from service.inference.errors import InvalidBundle, Overloaded, ShuttingDown
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.runtime.runtime import NotReady, Runtime, State
from service.runtime.ticket import Ticket
from tests.service.conftest import Given


@pytest.fixture
def estimator(models_dir):
    return load_pipeline(models_dir, "default", Execution(device="cpu"))


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def runtime_of(models, *names, told=lambda _: None, **settings) -> Runtime:
    settings = {"workers": 1, "max_waiting": 0, **settings}
    runtime = Runtime(models, names or ["default"], **settings)
    runtime.start(on_change=told, on_refusal=lambda _: None)
    return runtime


async def started(models, *names, **settings) -> Runtime:
    runtime = runtime_of(models, *names, **settings)
    await until(lambda: runtime.state is State.READY)
    return runtime


def test_nothing_is_admitted_while_loading(estimator):
    opened = threading.Event()

    def load(_name):
        assert opened.wait(10)
        return estimator

    async def scenario() -> None:
        runtime = runtime_of(Given(load))
        assert runtime.state is State.LOADING
        with pytest.raises(NotReady, match="loaded"), runtime.admit():
            pass
        opened.set()
        await until(lambda: runtime.state is State.READY)
        with runtime.admit() as loaded:
            assert loaded is estimator
        runtime.close()

    asyncio.run(scenario())


def test_whoever_asked_is_told_when_the_pipeline_is_ready(estimator):
    told = []

    async def scenario() -> None:
        runtime = runtime_of(Given(estimator), told=told.append)
        await until(lambda: runtime.state is State.READY)
        runtime.close()

    asyncio.run(scenario())
    assert told == [{"default": estimator}]


def test_failed_load_is_kept_and_named():

    def load(_name):
        raise InvalidBundle("card is missing")

    async def scenario() -> None:
        runtime = runtime_of(Given(load))
        await until(lambda: runtime.failure is not None)
        assert isinstance(runtime.failure, InvalidBundle)
        assert runtime.state is State.LOADING
        with pytest.raises(NotReady, match="card is missing"), runtime.admit():
            pass
        runtime.close()

    asyncio.run(scenario())


def test_request_beyond_the_limit_is_refused_at_once(estimator):
    async def scenario() -> None:
        runtime = await started(Given(estimator))
        with runtime.admit(), pytest.raises(Overloaded), runtime.admit():
            pass
        runtime.close()

    asyncio.run(scenario())


def test_drain_refuses_new_requests_and_lets_admitted_ones_finish(estimator):
    async def scenario() -> str:
        runtime = await started(Given(estimator))
        with runtime.admit():
            runtime.drain()
            assert runtime.state is State.DRAINING
            with pytest.raises(ShuttingDown), runtime.admit():
                pass
            done = await runtime.run(lambda: "finished", Ticket())
        assert runtime.admission.inside == 0
        runtime.close()
        return done.value

    assert asyncio.run(scenario()) == "finished"


def test_drain_is_timed_from_its_first_call(estimator):
    async def scenario() -> None:
        runtime = await started(Given(estimator))
        assert runtime.draining_s == 0
        runtime.drain()
        await until(lambda: runtime.draining_s > 0.01)
        runtime.drain()
        assert runtime.draining_s > 0.01
        runtime.close()

    asyncio.run(scenario())
