"""Under load, while loading and draining, and when something fails."""

import asyncio
import threading
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from service.http.app import create_app
from service.inference.errors import InvalidBundle
from tests.service.conftest import Given
from tests.service.http.conftest import connect, until

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


class GatedSession:
    """A session whose runs last until it is opened."""

    def __init__(self, session) -> None:
        self._session = session
        self.opened = threading.Event()
        self.runs = 0

    @property
    def card(self):
        return self._session.card

    @property
    def provider(self):
        return self._session.provider

    def run(self, image):
        self.runs += 1
        assert self.opened.wait(10)
        return self._session.run(image)


@dataclass
class BrokenSession:
    """A session with a bug."""

    card: object
    provider: str

    def run(self, image):
        raise ZeroDivisionError(f"secret {image.shape}")


@pytest.fixture
def gate(estimator):
    session = GatedSession(estimator.detector)
    yield session
    session.opened.set()


@pytest.fixture
def gated_app(settings, estimator, gate):
    return create_app(settings, Given(replace(estimator, detector=gate)))


def post(client, picture):
    return asyncio.create_task(client.post("/predict", content=picture, headers=PNG))


async def test_full_queue_is_rejected_and_the_admitted_are_answered(gated_app, gate, picture):
    runtime = gated_app.state.runtime
    async with connect(gated_app) as client:
        # One worker and one place to wait.
        admitted = [post(client, picture), post(client, picture)]
        await until(lambda: runtime.admission.inside == 2)

        rejected = await client.post("/predict", content=picture, headers=PNG)
        gate.opened.set()
        answers = await asyncio.gather(*admitted)
        metrics = (await client.get("/metrics")).text

    assert rejected.status_code == 503
    assert rejected.json()["type"] == "urn:stance:problem:overloaded"
    assert int(rejected.headers["retry-after"]) >= 1
    assert [answer.status_code for answer in answers] == [200, 200]
    assert 'pose_rejections_total{reason="overloaded"} 1.0' in metrics
    assert 'pose_requests_total{route="/predict",status="503"} 1.0' in metrics


async def test_full_service_makes_nothing_of_a_request_that_it_rejects(gated_app, gate, picture):
    runtime = gated_app.state.runtime
    async with connect(gated_app) as client:
        admitted = [post(client, picture), post(client, picture)]
        await until(lambda: runtime.admission.inside == 2)

        wrong = await client.post("/predict?max_persons=0", content=b"", headers=PNG)
        gate.opened.set()
        await asyncio.gather(*admitted)
        later = await client.post("/predict?max_persons=0", content=b"", headers=PNG)

    assert (wrong.status_code, later.status_code) == (503, 422)


async def test_probes_and_metrics_are_answered_when_the_queue_is_full(gated_app, gate, picture):
    runtime = gated_app.state.runtime
    async with connect(gated_app) as client:
        admitted = [post(client, picture), post(client, picture)]
        await until(lambda: runtime.workers.waiting == 1 and runtime.workers.running == 1)

        statuses = [
            (await client.get(path)).status_code for path in ("/health/live", "/health/ready")
        ]
        metrics = (await client.get("/metrics")).text
        gate.opened.set()
        await asyncio.gather(*admitted)

    assert statuses == [200, 200]
    assert "pose_queue_depth 1.0" in metrics
    assert "pose_workers_busy 1.0" in metrics


async def test_time_in_the_queue_is_told(gated_app, gate, picture):
    runtime = gated_app.state.runtime
    async with connect(gated_app) as client:
        admitted = [post(client, picture), post(client, picture)]
        await until(lambda: runtime.workers.waiting == 1 and runtime.workers.running == 1)
        # Longer than a thread may need to begin, which is a wait of the first.
        await asyncio.sleep(0.2)
        gate.opened.set()
        first, second = [answer.json() for answer in await asyncio.gather(*admitted)]

    assert second["timings_ms"]["queue"] > first["timings_ms"]["queue"]


async def send_and_leave(
    app, body: list[bytes], gone: asyncio.Event, path: str = "/predict"
) -> list[dict]:
    """A request whose client closes the connection when `gone` is set; what was sent to it."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"image/png")],
    }
    parts = iter(body)
    sent: list[dict] = []

    async def receive():
        part = next(parts, None)
        if part is not None:
            return {"type": "http.request", "body": part, "more_body": part != body[-1]}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_work_of_a_client_that_left_is_not_begun(gated_app, gate, picture):
    runtime = gated_app.state.runtime
    gone = asyncio.Event()
    async with connect(gated_app) as client:
        first = post(client, picture)
        await until(lambda: gate.runs == 1)
        second = asyncio.create_task(send_and_leave(gated_app, [picture], gone))
        await until(lambda: runtime.workers.waiting == 1)
        gone.set()
        (start, _) = await second
        gate.opened.set()
        await first
        metrics = (await client.get("/metrics")).text

    assert start["status"] == 499
    assert gate.runs == 1
    assert runtime.admission.inside == 0
    assert 'pose_rejections_total{reason="client-gone"} 1.0' in metrics


async def test_client_that_leaves_while_uploading_frees_its_place(settings, estimator):
    app = create_app(settings, Given(estimator))
    gone = asyncio.Event()
    gone.set()
    async with connect(app):
        # No part: the upload never even begins.
        (start, _) = await send_and_leave(app, [], gone)

    assert start["status"] == 499
    assert app.state.runtime.admission.inside == 0


async def test_live_but_not_ready_while_loading(settings, estimator, picture):
    opened = threading.Event()

    def load(_name):
        assert opened.wait(10)
        return estimator

    app = create_app(settings, Given(load))
    async with connect(app, ready=False) as client:
        live = await client.get("/health/live")
        ready = await client.get("/health/ready")
        predict = await client.post("/predict", content=picture, headers=PNG)
        metrics = (await client.get("/metrics")).text
        opened.set()
        await until(lambda: app.state.runtime.state.value == "ready")
        later = await client.get("/health/ready")

    assert live.status_code == 200
    assert ready.status_code == predict.status_code == 503
    assert ready.json()["type"] == "urn:stance:problem:not-ready"
    assert int(predict.headers["retry-after"]) >= 1
    assert "pose_ready 0.0" in metrics
    assert later.status_code == 200


async def test_pipeline_that_cannot_be_loaded_is_named_by_the_probe(settings):
    def load(_name):
        raise InvalidBundle("card of person-detector/1 is missing")

    app = create_app(settings, Given(load))
    async with connect(app, ready=False) as client:
        await until(lambda: app.state.runtime.failure is not None)
        answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert "card of person-detector/1 is missing" in answer.json()["detail"]


async def test_draining_service_is_not_ready_and_finishes_what_it_admitted(
    gated_app, gate, picture
):
    runtime = gated_app.state.runtime
    async with connect(gated_app) as client:
        admitted = post(client, picture)
        await until(lambda: gate.runs == 1)
        runtime.drain()

        ready = await client.get("/health/ready")
        live = await client.get("/health/live")
        refused = await client.post("/predict", content=picture, headers=PNG)
        gate.opened.set()
        answer = await admitted

    assert ready.status_code == 503
    assert live.status_code == 200
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:stance:problem:shutting-down"
    assert answer.status_code == 200


async def test_bug_is_logged_with_the_request_id_and_not_told(settings, estimator, picture):
    broken = BrokenSession(estimator.detector.card, "Broken")
    app = create_app(settings, Given(replace(estimator, detector=broken)))
    async with connect(app) as client:
        with capture_logs() as logs:
            answer = await client.post(
                "/predict", content=picture, headers={**PNG, "x-request-id": "find-me"}
            )
        metrics = (await client.get("/metrics")).text
        healthy = await client.get("/health/ready")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "find-me"
    assert answer.json()["instance"] == "find-me"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    (logged,) = [line for line in logs if line["log_level"] == "error"]
    assert logged["request_id"] == "find-me"
    assert isinstance(logged["exc_info"], ZeroDivisionError)
    assert 'pose_requests_total{route="/predict",status="500"} 1.0' in metrics
    assert app.state.runtime.admission.inside == 0
    assert healthy.status_code == 200


async def test_every_answer_has_a_request_id_of_its_own(client):
    ids = {
        (await client.get(path)).headers["x-request-id"]
        for path in ("/health/live", "/health/live", "/nowhere", "/metrics")
    }

    assert len(ids) == 4


@pytest.mark.parametrize("given", ["7f3c-9", "a" * 128, "trace/1:2.3_x=="])
async def test_sane_request_id_is_taken_over(client, given):
    answer = await client.get("/health/live", headers={"x-request-id": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "<script>", 'a"b'])
async def test_insane_request_id_is_replaced(client, given):
    answer = await client.get("/health/live", headers={"x-request-id": given})

    assert answer.headers["x-request-id"] not in ("", given)


async def test_requests_are_logged_with_status_and_id(client):
    with capture_logs() as logs:
        await client.get("/nowhere", headers={"x-request-id": "seen"})

    (line,) = logs
    assert line["event"] == "request"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nowhere", 404)
    assert line["problem"] == "not-found"


async def test_unknown_paths_share_one_series(client):
    for number in range(3):
        await client.get(f"/nowhere/{number}")

    metrics = (await client.get("/metrics")).text
    assert 'pose_requests_total{route="unmatched",status="404"} 3.0' in metrics
    assert "nowhere" not in metrics
