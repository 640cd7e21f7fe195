"""The line that a request leaves in the log, and what its answer tells of its time."""

import re
from dataclasses import replace

import pytest

from service.http.app import create_app
from service.http.trace_context import caller_trace
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}
STAGES = {"upload", "queue", "decode", "detect", "keypoints", "total"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def timing(answer) -> dict[str, float]:
    """Milliseconds by name, of `Server-Timing`."""
    entries = answer.headers["server-timing"].split(", ")
    return {name: float(ms) for name, ms in (entry.split(";dur=") for entry in entries)}


async def line_of(client, logged, *request, **arguments) -> dict:
    logged()
    await client.request(*request, **arguments)
    (line,) = [line for line in logged() if line["message"] == "request"]
    return line


async def test_line_tells_route_status_stages_and_people(client, logged, picture):
    line = await line_of(
        client, logged, "POST", "/predict?format=coco", content=picture, headers=PNG
    )

    assert (line["method"], line["route"], line["status"]) == ("POST", "/predict", 200)
    assert (line["pictures"], line["persons"]) == (1, 1)
    assert set(line["stages_ms"]) == STAGES
    assert line["stages_ms"]["total"] >= line["stages_ms"]["decode"] > 0
    assert line["ms"] > 0
    assert re.fullmatch("[0-9a-f]{32}", line["request_id"])
    assert "problem" not in line
    assert "trace_id" not in line


async def test_line_of_a_refused_picture_names_the_problem(client, logged):
    line = await line_of(client, logged, "POST", "/predict", content=b"GIF89a", headers=PNG)

    assert (line["status"], line["problem"]) == (415, "unsupported-media-type")
    assert set(line["stages_ms"]) == {"upload"}


async def test_line_of_a_batch_sums_its_pictures(client, logged, picture, black):
    files = [("image", ("a.png", picture, "image/png")), ("image", ("b.png", black, "image/png"))]

    line = await line_of(client, logged, "POST", "/predict/batch", files=files)

    assert (line["route"], line["pictures"], line["persons"]) == ("/predict/batch", 2, 1)
    assert set(line["stages_ms"]) == STAGES


async def test_line_of_a_request_without_a_body_has_no_stages(client, logged):
    line = await line_of(client, logged, "GET", "/models")

    assert "stages_ms" not in line


async def test_callers_trace_is_on_every_line_of_the_request(settings, estimator, logged, picture):
    class Failing:
        card, provider = estimator.detector.card, "Failing"

        def run(self, image):
            raise ZeroDivisionError(image.shape)

    app = create_app(settings, Given(replace(estimator, detector=Failing())))
    headers = {**PNG, "traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "find-me"}
    async with connect(app) as client:
        logged()
        await client.post("/predict", content=picture, headers=headers)
        lines = logged()

    assert {line["message"] for line in lines} == {"request", "request failed"}
    for line in lines:
        assert (line["trace_id"], line["parent_id"]) == (TRACE, PARENT)
        assert line["request_id"] == "find-me"


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\ninjected",
    ],
)
def test_malformed_trace_is_left_out(traceparent):
    assert caller_trace(traceparent) == {}


async def test_answer_tells_where_its_time_went(client, picture):
    answer = await client.post("/predict", content=picture, headers=PNG)

    told = timing(answer)
    assert set(told) == STAGES | {"request"}
    assert told["request"] >= told["total"]
    assert told["total"] == pytest.approx(answer.json()["timings_ms"]["total"], abs=0.02)


async def test_answer_to_a_broken_picture_tells_its_upload(client, picture):
    answer = await client.post("/predict", content=picture[: len(picture) // 2], headers=PNG)

    assert answer.status_code == 422
    assert set(timing(answer)) == {"upload", "request"}
