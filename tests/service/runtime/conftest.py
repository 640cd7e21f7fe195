import pytest

from tests.service.runtime.held import House


@pytest.fixture
def build():
    houses = []

    def build(*arguments, **options) -> House:
        houses.append(House(*arguments, **options))
        return houses[-1]

    yield build
    for house in houses:
        house.close()
