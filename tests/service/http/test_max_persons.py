"""The service's limit on the people that a request may ask for."""

import numpy as np
import pytest

from service.http.app import create_app
from tests.service.conftest import Given
from tests.service.http.conftest import connect, encode

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


@pytest.fixture
def two() -> bytes:
    """A picture in which the detector finds two people."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[190:210, 270:290] = pixels[200:220, 500:520] = 255
    return encode(pixels)


@pytest.fixture
async def strict(settings, estimator):
    """A client of a service that answers one person at most."""
    settings = settings.model_copy(update={"max_persons": 1})
    async with connect(create_app(settings, Given(estimator))) as client:
        yield client


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
async def test_more_people_than_allowed_are_refused_before_the_upload(strict, path):
    answer = await strict.post(f"{path}?max_persons=2")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:stance:problem:invalid-input"
    assert answer.json()["detail"] == (
        "max_persons is 2; expected at most 1, the service's POSE_MAX_PERSONS"
    )


async def test_limit_counts_where_the_request_names_no_number(strict, client, two):
    answers = [await one.post("/predict", content=two, headers=PNG) for one in (client, strict)]

    assert [len(answer.json()["persons"]) for answer in answers] == [2, 1]


async def test_batch_is_limited_too(strict, two):
    answer = await strict.post("/predict/batch", files=[("image", ("two.png", two))])

    assert len(answer.json()["results"][0]["prediction"]["persons"]) == 1


async def test_as_many_as_allowed_may_be_asked_for(client, two):
    assert (await client.post("/predict?max_persons=100", content=two, headers=PNG)).is_success
    refused = await client.post("/predict?max_persons=101", content=two, headers=PNG)

    assert refused.status_code == 422
    assert "max_persons is 101; expected at most 100" in refused.json()["detail"]
