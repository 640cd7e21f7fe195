import asyncio

from service.inference.errors import InvalidBundle
from service.runtime.checkup import Checkup


class Networks:
    """Networks that fail as often as told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tests = 0

    async def test(self) -> None:
        self.tests += 1
        if self.tests <= self.failures:
            raise InvalidBundle("no device")


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_networks_that_work_are_not_called_broken():
    async def scenario() -> None:
        networks = Networks(failures=0)
        checkup = Checkup(networks.test)
        checkup.suspect()
        await until(lambda: networks.tests == 1)
        await asyncio.sleep(0)
        assert checkup.failure is None

    asyncio.run(scenario())


def test_networks_that_fail_are_called_broken_until_they_work_again():
    async def scenario() -> None:
        networks = Networks(failures=3)
        checkup = Checkup(networks.test, again_s=0.005)
        checkup.suspect()
        await until(lambda: checkup.failure is not None)
        assert str(checkup.failure) == "no device"
        await until(lambda: checkup.failure is None)
        assert networks.tests == 4

    asyncio.run(scenario())


def test_one_examination_at_a_time():
    async def scenario() -> None:
        networks = Networks(failures=1)
        checkup = Checkup(networks.test, again_s=60)
        for _ in range(5):
            checkup.suspect()
            await asyncio.sleep(0.002)
        assert networks.tests == 1
        checkup.close()

    asyncio.run(scenario())
