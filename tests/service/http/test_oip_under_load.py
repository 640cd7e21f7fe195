"""The Open Inference Protocol's routes while the workers are busy: admission and deadlines."""

import asyncio
import json
from dataclasses import replace

import pytest

from service.http.app import create_app
from tests.service.conftest import Given
from tests.service.http.conftest import connect, until
from tests.service.http.infer_requests import (
    NETWORK,
    PIPELINE,
    assert_problem,
    of_picture,
    of_pixels,
)
from tests.service.http.test_app import GatedSession, send_and_leave

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate(estimator):
    session = GatedSession(estimator.detector)
    yield session
    session.opened.set()


@pytest.fixture
def gated_app(settings, estimator, gate):
    return create_app(settings, Given(replace(estimator, detector=gate)))


@pytest.mark.parametrize(
    ("path", "document"), [(NETWORK, of_pixels()), (PIPELINE, None)], ids=["network", "pipeline"]
)
async def test_full_service_rejects_and_probes_are_answered(
    gated_app, gate, picture, path, document
):
    document = document or of_picture(picture)
    runtime = gated_app.state.runtime
    async with connect(gated_app) as client:
        admitted = [asyncio.create_task(client.post(path, json=document)) for _ in range(2)]
        await until(lambda: runtime.admission.inside == 2)
        rejected = await client.post(path, json=document)
        probes = [
            (await client.get(f"/v2/{probe}")).status_code
            for probe in ("health/live", "health/ready", "models/default", "")
        ]
        gate.opened.set()
        answers = await asyncio.gather(*admitted)

    assert_problem(rejected, 503, "overloaded")
    assert int(rejected.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in answers] == [200, 200]
    assert probes == [200, 200, 200, 404]


@pytest.mark.parametrize(
    ("headers", "parameters"),
    [({"x-request-timeout": "0.05"}, {}), ({}, {"timeout": 50_000})],
    ids=["header", "tritons"],
)
async def test_late_answer_is_not_waited_for_and_costs_no_run(
    gated_app, gate, picture, headers, parameters
):
    async with connect(gated_app) as client:
        first = asyncio.create_task(client.post(PIPELINE, json=of_picture(picture)))
        await until(lambda: gate.runs == 1)
        document = of_picture(picture, parameters=parameters)
        late = await client.post(PIPELINE, json=document, headers=headers)
        gate.opened.set()
        answered = await first

    assert_problem(late, 504, "deadline-passed", "0.05 s")
    assert answered.status_code == 200
    assert gate.runs == 1


async def test_long_json_waits_for_a_worker_no_longer_than_its_deadline(gated_app, gate, picture):
    async with connect(gated_app) as client:
        first = asyncio.create_task(client.post(PIPELINE, json=of_picture(picture)))
        await until(lambda: gate.runs == 1)
        late = await client.post(NETWORK, json=of_pixels(), headers={"x-request-timeout": "0.05"})
        gate.opened.set()
        await first

    assert_problem(late, 504, "deadline-passed", "0.05 s")


@pytest.mark.parametrize(
    ("path", "document"), [(NETWORK, of_pixels()), (PIPELINE, None)], ids=["network", "pipeline"]
)
async def test_work_of_a_client_that_left_is_not_begun(gated_app, gate, picture, path, document):
    runtime = gated_app.state.runtime
    gone = asyncio.Event()
    async with connect(gated_app) as client:
        first = asyncio.create_task(client.post(PIPELINE, json=of_picture(picture)))
        await until(lambda: gate.runs == 1)
        body = json.dumps(document or of_picture(picture)).encode()
        second = asyncio.create_task(send_and_leave(gated_app, [body], gone, path))
        await until(lambda: runtime.workers.waiting == 1)
        gone.set()
        (start, _) = await second
        gate.opened.set()
        await first

    assert start["status"] == 499
    assert gate.runs == 1
    assert runtime.admission.inside == 0


async def test_deadline_that_passes_between_two_networks_saves_the_second(
    settings, estimator, gate, picture
):
    joints = GatedSession(estimator.keypoints)
    joints.opened.set()
    app = create_app(settings, Given(replace(estimator, detector=gate, keypoints=joints)))
    async with connect(app) as client:
        late = await client.post(
            PIPELINE, json=of_picture(picture), headers={"x-request-timeout": "0.05"}
        )
        gate.opened.set()
        await until(lambda: app.state.runtime.workers.running == 0)

    assert late.status_code == 504
    assert joints.runs == 0
