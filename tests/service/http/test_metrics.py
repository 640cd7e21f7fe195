"""What `/metrics` tells, read as Prometheus reads it."""

import asyncio
import threading
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.http.app import create_app
from service.http.metrics import Metrics
from service.inference.errors import InvalidBundle
from service.inference.execution import Execution
from service.runtime.models_folder import ModelsFolder
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect, until

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


class Held:
    """A session whose runs last until it is let go."""

    def __init__(self, session) -> None:
        self._session = session
        self.card, self.provider = session.card, session.provider
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, image):
        self.begun.set()
        assert self.go.wait(10)
        return self._session.run(image)


@pytest.fixture
def held(estimator):
    session = Held(estimator.detector)
    yield session
    session.go.set()


async def scrape(client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values by name and labels."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def series(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def labels_of(values, name: str) -> list[dict[str, str]]:
    return [dict(labels) for known, labels in values if known == name]


async def test_text_is_prometheus(client):
    answer = await client.get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"process_resident_memory_bytes", "process_open_fds", "pose_ready"} <= families
    assert "_created" not in answer.text


async def test_what_is_loaded_and_what_really_runs_it(client, estimator):
    values = await scrape(client)

    names = {"detector": "test-detector/1", "keypoints": "test-keypoints/1"}
    assert values[series("pose_pipeline_info", pipeline="default", **names)] == 1
    assert labels_of(values, "pose_execution_provider") == [
        {"network": network, "provider": "CPUExecutionProvider", "device": "cpu"}
        for network in names.values()
    ]
    networks = {labels["network"]: labels for labels in labels_of(values, "pose_network_info")}
    assert networks["test-keypoints/1"] == {
        "network": "test-keypoints/1",
        "task": "keypoints",
        "precision": "fp32",
        "sha256": estimator.keypoints.card.sha256,
    }
    (build,) = labels_of(values, "pose_build_info")
    assert set(build) == {"version", "python"}


async def test_each_gpu_of_a_network_is_named(estimator, settings):
    class OnGpu:
        card, provider = estimator.detector.card, "CUDAExecutionProvider"

    gpus = settings.model_copy(update={"gpu_ids": (0, 2)})
    app = create_app(gpus, Given(replace(estimator, detector=OnGpu())))
    async with connect(app) as client:
        values = await scrape(client)

    found = {
        labels["device"]
        for labels in labels_of(values, "pose_execution_provider")
        if labels["network"] == "test-detector/1"
    }
    assert found == {"cuda:0", "cuda:2"}


async def test_every_stage_of_a_picture_is_timed(client, picture):
    for _ in range(2):
        await client.post("/predict", content=picture, headers=PNG)

    values = await scrape(client)
    for stage in ("upload", "queue", "decode", "detect", "keypoints", "total"):
        assert values[series("pose_stage_duration_seconds_count", stage=stage)] == 2
    assert values[series("pose_stage_duration_seconds_sum", stage="decode")] > 0
    assert values[series("pose_request_duration_seconds_count", route="/predict")] == 2
    assert values[series("pose_requests_total", route="/predict", status="200")] == 2
    # The detector always finds two, one of them only black.
    assert values[series("pose_persons_per_picture_count")] == 2


async def test_rows_of_each_run_are_told_by_task(models_dir, picture):
    metrics = Metrics()
    models = ModelsFolder(
        models_dir,
        Execution(device="cpu"),
        observe_run=metrics.observe_run,
        observe_batch=metrics.observe_batch,
    )
    async with connect(create_app(Settings(workers=1), models, metrics=metrics)) as client:
        before = await scrape(client)
        await client.post("/predict", content=picture, headers=PNG)
        after = await scrape(client)

    def grown(name: str, task: str) -> float:
        return after[series(name, task=task)] - before.get(series(name, task=task), 0)

    assert (
        grown("pose_batch_rows_count", "detection"),
        grown("pose_batch_rows_sum", "detection"),
        grown("pose_batch_rows_count", "keypoints"),
        grown("pose_batch_rows_sum", "keypoints"),
    ) == (1, 1, 1, 2)
    assert grown("pose_run_duration_seconds_count", "keypoints") == 1


async def test_waiting_in_the_gpus_queue_is_told(settings, estimator):
    metrics = Metrics()
    metrics.watch_batches(lambda: 5)
    async with connect(create_app(settings, Given(estimator), metrics=metrics)) as client:
        metrics.observe_batch(8, 0.004)
        values = await scrape(client)

    assert values[series("pose_batch_queue_rows")] == 5
    assert values[series("pose_batch_wait_seconds_sum")] == 0.004


async def test_load_is_told_with_its_limits(settings, estimator, held, picture):
    # One worker and one place to wait.
    app = create_app(settings, Given(replace(estimator, detector=held)))
    async with connect(app) as client:
        posts = [
            asyncio.create_task(client.post("/predict", content=picture, headers=PNG))
            for _ in range(2)
        ]
        await until(lambda: app.state.runtime.workers.waiting == 1 and held.begun.is_set())
        values = await scrape(client)
        held.go.set()
        await asyncio.gather(*posts)
        later = await scrape(client)

    names = ("pose_requests_inside", "pose_queue_depth", "pose_workers_busy")
    assert [values[series(name)] for name in names] == [2, 1, 1]
    assert [later[series(name)] for name in names] == [0, 0, 0]
    assert values[series("pose_requests_limit")] == 2
    assert values[series("pose_workers")] == 1


async def test_exactly_one_state_holds(client):
    values = await scrape(client)
    client._transport.app.state.runtime.drain()
    draining = await scrape(client)

    def states(values) -> dict[str, float]:
        return {
            labels["state"]: values[series("pose_state", **labels)]
            for labels in labels_of(values, "pose_state")
        }

    assert states(values) == {"loading": 0, "ready": 1, "failing": 0, "draining": 0}
    assert states(draining) == {"loading": 0, "ready": 0, "failing": 0, "draining": 1}
    assert (values[series("pose_ready")], draining[series("pose_ready")]) == (1, 0)


async def test_inference_that_a_passed_deadline_saves_is_counted(
    settings, estimator, held, picture
):
    app = create_app(settings, Given(replace(estimator, detector=held)))
    async with connect(app) as client:
        first = asyncio.create_task(client.post("/predict", content=picture, headers=PNG))
        await until(held.begun.is_set)
        late = await client.post(
            "/predict", content=picture, headers={**PNG, "x-request-timeout": "0.05"}
        )
        held.go.set()
        await first
        await until(lambda: app.state.runtime.workers.running == 0)
        values = await scrape(client)

    assert late.status_code == 504
    assert values[series("pose_inference_saved_total", reason="deadline-passed")] == 1
    assert values[series("pose_inference_saved_total", reason="client-gone")] == 0


async def test_network_that_ran_too_long_saved_only_the_next_one(
    settings, estimator, held, picture
):
    app = create_app(settings, Given(replace(estimator, detector=held)))
    async with connect(app) as client:
        late = await client.post(
            "/predict", content=picture, headers={**PNG, "x-request-timeout": "0.05"}
        )
        during = await scrape(client)
        held.go.set()
        await until(lambda: app.state.runtime.workers.running == 0)
        after = await scrape(client)

    saved = series("pose_inference_saved_total", reason="deadline-passed")
    assert late.status_code == 504
    assert during[series("pose_workers_overdue")] == 1
    # The keypoint network was not run, since the detector came back too late.
    assert (during[saved], after[saved]) == (0, 1)


async def test_loads_are_counted_and_refused_ones_too(settings, estimator):
    def load(name):
        if name.startswith("broken"):
            raise InvalidBundle("card is missing")
        return replace(estimator, name=name)

    async with connect(create_app(settings, Given(load))) as client:
        pipelines = client._transport.app.state.runtime.pipelines
        await pipelines.load("other")
        pipelines.unload("other")
        for name in ("broken", "broken2"):
            with pytest.raises(InvalidBundle):
                await pipelines.load(name)
        values = await scrape(client)

    results = {
        labels["result"]: values[series("pose_pipeline_loads_total", **labels)]
        for labels in labels_of(values, "pose_pipeline_loads_total")
    }
    assert results == {"loaded": 2, "unloaded": 1, "refused": 2}
    # A name comes from a request: it may be anything, and must not become a label.
    assert not any("broken" in value for _, labels in values for _, value in labels)


async def test_counters_that_alerts_watch_start_at_zero(client):
    values = await scrape(client)

    for reason in ("overloaded", "deadline-passed", "internal-error"):
        assert values[series("pose_rejections_total", reason=reason)] == 0
    assert values[series("pose_pipeline_loads_total", result="refused")] == 0


async def test_what_clients_send_makes_no_new_series(client, picture):
    async def names() -> set:
        await client.post("/predict", content=picture, headers=PNG)
        await client.post("/predict?pipeline=first", content=picture, headers=PNG)
        await client.get("/first")
        return set(await scrape(client)) | set(await scrape(client))

    before = await names()
    await client.post("/predict?pipeline=second", content=picture, headers=PNG)
    for path in ("/second", "/models/second", "/predict/second/third"):
        await client.get(path)
    after = set(await scrape(client))

    assert after == before
