"""`POST /predict/batch`: many pictures in one form."""

import asyncio
import json
import threading
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from service.http.app import create_app
from service.inference.errors import InferenceFailed
from tests.service.conftest import Given
from tests.service.http.conftest import connect, until

pytestmark = pytest.mark.anyio


def form(*pictures):
    return [("image", (f"{index}.png", data)) for index, data in enumerate(pictures)]


class Waiting:
    """A session whose runs wait until they are let go."""

    def __init__(self, session) -> None:
        self.card, self.provider = session.card, session.provider
        self._session = session
        self._places = threading.Semaphore(0)
        self.runs = 0

    def run(self, image):
        self.runs += 1
        assert self._places.acquire(timeout=10)
        return self._session.run(image)

    def let(self, runs):
        self._places.release(runs)


@pytest.fixture
def waiting(estimator):
    session = Waiting(estimator.detector)
    yield session
    session.let(1000)


@pytest.fixture
def waiting_app(settings, estimator, waiting):
    settings = settings.model_copy(update={"workers": 2, "max_waiting": 0})
    return create_app(settings, Given(replace(estimator, detector=waiting)))


async def test_answers_come_in_the_order_of_the_form_and_equal_single_ones(client, picture, black):
    single = [
        (await client.post("/predict", content=data, headers={"content-type": "image/png"})).json()
        for data in (picture, black)
    ]

    answer = await client.post("/predict/batch", files=form(picture, black, picture))

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [item["index"] for item in results] == [0, 1, 2]
    assert [item["filename"] for item in results] == ["0.png", "1.png", "2.png"]
    persons = [item["prediction"]["persons"] for item in results]
    assert persons == [single[0]["persons"], single[1]["persons"], single[0]["persons"]]
    assert persons[0] != persons[1]


async def test_bad_pictures_have_their_own_problem_and_do_not_harm_the_others(client, picture):
    answer = await client.post(
        "/predict/batch",
        files=form(b"text", picture, picture[:-100], b"", picture),
        headers={"x-request-id": "find-me"},
    )
    metrics = (await client.get("/metrics")).text

    results = answer.json()["results"]
    assert answer.status_code == 200
    statuses = [item.get("problem", {}).get("status") for item in results]
    assert statuses == [415, None, 422, 422, None]
    assert results[0]["problem"]["type"] == "urn:stance:problem:unsupported-media-type"
    assert results[0]["problem"]["instance"] == "find-me"
    assert ["prediction" in item for item in results] == [False, True, False, False, True]
    assert 'pose_rejections_total{reason="invalid-image"} 2.0' in metrics
    assert "pose_persons_per_picture_count 2.0" in metrics


async def test_query_counts_for_every_picture(client, picture):
    answer = await client.post("/predict/batch?max_persons=1", files=form(picture, picture))

    counts = [len(item["prediction"]["persons"]) for item in answer.json()["results"]]
    assert counts == [1, 1]


async def test_failing_network_fails_its_picture_and_names_the_log(
    settings, estimator, picture, black
):
    class Poisoned:
        card, provider = estimator.detector.card, "Poisoned"

        def run(self, image):
            if image.max() == 0:
                raise InferenceFailed("the-id")
            return estimator.detector.run(image)

    app = create_app(settings, Given(replace(estimator, detector=Poisoned())))
    async with connect(app) as client:
        with capture_logs() as logs:
            answer = await client.post(
                "/predict/batch",
                files=form(picture, black, picture),
                headers={"x-request-id": "find-me"},
            )

    results = answer.json()["results"]
    assert ["prediction" in item for item in results] == [True, False, True]
    assert results[1]["problem"]["status"] == 500
    assert results[1]["problem"]["instance"] == "find-me"
    (line,) = [line for line in logs if line["event"] == "request failed"]
    assert (line["request_id"], line["failure_id"]) == ("find-me", "the-id")


async def test_results_are_streamed_as_they_are_ready(waiting_app, waiting, picture):
    async with connect(waiting_app) as client:
        lines: list[dict[str, object]] = []

        async def read() -> None:
            request = client.build_request(
                "POST",
                "/predict/batch",
                files=form(picture, b"text", picture),
                headers={"accept": "application/x-ndjson"},
            )
            answer = await client.send(request, stream=True)
            assert answer.headers["content-type"].startswith("application/x-ndjson")
            lines.extend([json.loads(line) async for line in answer.aiter_lines()])

        reading = asyncio.create_task(read())
        await until(lambda: waiting.runs == 2)
        assert waiting_app.state.runtime.admission.inside == 1
        waiting.let(2)
        await reading

    assert lines[0]["index"] == 1
    assert sorted(line["index"] for line in lines) == [0, 1, 2]
    assert waiting_app.state.runtime.admission.inside == 0


async def test_batch_takes_one_place_and_no_more_than_the_workers(waiting_app, waiting, picture):
    runtime = waiting_app.state.runtime
    async with connect(waiting_app) as client:
        batch = asyncio.create_task(client.post("/predict/batch", files=form(*[picture] * 6)))
        await until(lambda: waiting.runs == 2)

        assert runtime.admission.inside == 1
        assert (runtime.workers.running, runtime.workers.waiting) == (2, 0)
        waiting.let(1000)
        answer = await batch

    assert len(answer.json()["results"]) == 6


async def test_late_pictures_are_told_so_and_the_early_ones_answered(waiting_app, waiting, picture):
    async with connect(waiting_app) as client:
        waiting.let(2)
        answer = await client.post(
            "/predict/batch", files=form(*[picture] * 5), headers={"x-request-timeout": "0.5"}
        )

    results = answer.json()["results"]
    assert sum("prediction" in item for item in results) == 2
    assert [item["problem"]["status"] for item in results if "problem" in item] == [504] * 3


async def test_form_beyond_the_limits_is_refused(settings, estimator, picture):
    settings = settings.model_copy(update={"max_pictures": 2, "max_batch_bytes": 10_000})
    async with connect(create_app(settings, Given(estimator))) as client:
        many = await client.post("/predict/batch", files=form(picture, picture, picture))
        large = await client.post("/predict/batch", files=form(bytes(9_000), bytes(9_000)))

    assert many.status_code == 400
    assert "at most 2 files" in many.json()["detail"]
    assert large.status_code == 413


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("picture", ("a.png", b"x"))], "'picture'"),
        ([("boxes", (None, "[]"))], "'boxes'"),
        ([("image", (None, "text"))], "is no file"),
    ],
)
async def test_form_without_pictures_is_refused(client, files, said):
    answer = await client.post("/predict/batch", files=files)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_raw_picture_is_no_batch(client, picture):
    answer = await client.post(
        "/predict/batch", content=picture, headers={"content-type": "image/png"}
    )

    assert answer.status_code == 415
