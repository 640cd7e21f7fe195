"""Several pipelines: chosen by the query, loaded and unloaded by an administrator."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from service.http.app import create_app
from service.inference.errors import InvalidBundle
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


@pytest.fixture
def app(settings, estimator):
    def load(name):
        if name == "broken":
            raise InvalidBundle("card is missing")
        return replace(estimator, name=name)

    return create_app(settings.model_copy(update={"also_load": ["fast"]}), Given(load))


async def test_query_chooses_the_pipeline(app, picture):
    async with connect(app) as client:
        default = await client.post("/predict", content=picture, headers=PNG)
        fast = await client.post("/predict?pipeline=fast", content=picture, headers=PNG)
        other = await client.post("/predict?pipeline=other", content=picture, headers=PNG)
        models = (await client.get("/models")).json()

    assert default.json()["model"]["pipeline"] == "default"
    assert fast.json()["model"]["pipeline"] == "fast"
    assert other.status_code == 404
    assert other.json()["type"] == "urn:stance:problem:unknown-pipeline"
    assert "default, fast" in other.json()["detail"]
    assert set(models["pipelines"]) == {"default", "fast"}
    assert models["default"] == "default"


async def test_only_what_was_loaded_is_logged_as_loaded(app):
    async with connect(app):
        pipelines = app.state.runtime.pipelines
        with capture_logs() as logs:
            await pipelines.load("third")
            pipelines.unload("fast")

    assert [(line["event"], line["pipeline"]) for line in logs] == [("pipeline loaded", "third")]


async def test_deadline_that_passes_is_504_and_runs_no_network(settings, estimator, picture):
    class Never:
        card, provider = estimator.detector.card, "Never"

        def run(self, image):
            raise AssertionError(image.shape)

    app = create_app(settings, Given(replace(estimator, detector=Never())))
    async with connect(app) as client:
        answer = await client.post(
            "/predict", content=picture, headers={**PNG, "x-request-timeout": "0.0000001"}
        )
        wrong = await client.post(
            "/predict", content=picture, headers={**PNG, "x-request-timeout": "-1"}
        )
        metrics = (await client.get("/metrics")).text

    assert answer.status_code == 504
    assert answer.json()["type"] == "urn:stance:problem:deadline-passed"
    assert 'pose_rejections_total{reason="deadline-passed"} 1.0' in metrics
    assert wrong.status_code == 422
    assert "X-Request-Timeout" in wrong.json()["detail"]


async def test_deadline_that_passes_during_the_upload_is_504(settings, estimator, picture):
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'

    async def never_ends(start):
        yield start
        await asyncio.Event().wait()

    async with connect(create_app(settings, Given(estimator))) as client:
        headers = {**PNG, "x-request-timeout": "0.05"}
        raw = await client.post("/predict", content=never_ends(picture[:100]), headers=headers)
        form = {"content-type": "multipart/form-data; boundary=x", "x-request-timeout": "0.05"}
        batch = await client.post("/predict/batch", content=never_ends(part), headers=form)

    assert (raw.status_code, batch.status_code) == (504, 504)
    assert raw.json()["type"] == "urn:stance:problem:deadline-passed"
