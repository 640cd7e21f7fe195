"""Spans of requests, as an exporter gets them."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service import VERSION
from service.http.app import create_app
from service.http.telemetry import NO_TELEMETRY, TracingUnavailable, open_tracing
from service.http.tracing import Tracing
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAGES = ["queue", "decode", "detect", "keypoints"]


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def app(settings, estimator, exporter):
    tracing = Tracing(SimpleSpanProcessor(exporter))
    return create_app(settings, Given(estimator), tracing=tracing)


def spans_of(exporter) -> dict:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_request_has_a_span_with_route_and_status(app, exporter, picture):
    async with connect(app) as client:
        answer = await client.post("/predict", content=picture, headers=PNG)

    span = spans_of(exporter)["POST /predict"]
    assert span.kind is SpanKind.SERVER
    assert span.attributes["http.route"] == "/predict"
    assert span.attributes["http.request.method"] == "POST"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["pose.request_id"] == answer.headers["x-request-id"]
    assert span.resource.attributes["service.version"] == VERSION


async def test_stages_are_its_children_one_after_the_other(app, exporter, picture):
    async with connect(app) as client:
        answer = await client.post("/predict", content=picture, headers=PNG)

    spans = spans_of(exporter)
    request = spans.pop("POST /predict")
    assert set(spans) == {"upload", *STAGES}
    assert {span.parent.span_id for span in spans.values()} == {request.context.span_id}
    order = [spans[name] for name in ("upload", *STAGES)]
    bounds = [time for span in order for time in (span.start_time, span.end_time)]
    assert bounds == sorted(bounds)
    assert request.start_time <= bounds[0] + 1_000_000
    assert bounds[-1] <= request.end_time + 1_000_000
    told_ms = answer.json()["timings_ms"]
    for name in STAGES:
        took_ms = (spans[name].end_time - spans[name].start_time) / 1e6
        assert took_ms == pytest.approx(told_ms[name], abs=0.01)


async def test_each_picture_of_a_batch_has_its_own_stages(app, exporter, picture, black):
    files = [("image", ("a.png", picture, "image/png")), ("image", ("b.png", black, "image/png"))]
    async with connect(app) as client:
        await client.post("/predict/batch", files=files)

    decoded = [span for span in exporter.get_finished_spans() if span.name == "decode"]
    assert [span.attributes["pose.picture"] for span in decoded] == [0, 1]
    assert [span.attributes["pose.persons"] for span in decoded] == [1, 0]


async def test_callers_trace_goes_on(app, exporter, logged, picture):
    headers = {**PNG, "traceparent": f"00-{TRACE}-{PARENT}-01"}
    async with connect(app) as client:
        await client.post("/predict", content=picture, headers=headers)

    spans = spans_of(exporter)
    request = spans["POST /predict"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {TRACE}
    assert f"{request.parent.span_id:016x}" == PARENT
    (line,) = [line for line in logged() if line["message"] == "request"]
    assert (line["trace_id"], line["parent_id"]) == (TRACE, PARENT)
    assert line["span_id"] == f"{request.context.span_id:016x}"


async def test_trace_of_a_request_without_one_is_in_the_log(app, exporter, logged):
    async with connect(app) as client:
        await client.get("/models")

    (span,) = exporter.get_finished_spans()
    (line,) = [line for line in logged() if line["message"] == "request"]
    assert line["trace_id"] == f"{span.context.trace_id:032x}"


async def test_failed_requests_are_errors_and_refused_ones_are_not(app, exporter):
    async with connect(app) as client:
        await client.post("/predict", content=b"GIF89a", headers=PNG)
        app.state.runtime.drain()
        await client.post("/predict", content=b"GIF89a", headers=PNG)

    refused, failed = (
        span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER
    )
    assert refused.attributes["http.response.status_code"] == 415
    assert refused.status.status_code is StatusCode.UNSET
    assert failed.attributes["http.response.status_code"] == 503
    assert failed.status.status_code is StatusCode.ERROR


async def test_probes_make_no_spans(app, exporter):
    async with connect(app) as client:
        for path in ("/health/live", "/health/ready", "/metrics"):
            await client.get(path)

    assert exporter.get_finished_spans() == ()


async def test_caller_that_samples_nothing_gets_no_spans(app, exporter, picture):
    headers = {**PNG, "traceparent": f"00-{TRACE}-{PARENT}-00"}
    async with connect(app) as client:
        await client.post("/predict", content=picture, headers=headers)

    assert exporter.get_finished_spans() == ()


def test_name_of_the_service_is_the_variables_or_ours(monkeypatch, exporter):
    def name() -> str:
        with Tracing(SimpleSpanProcessor(exporter))._tracer.start_as_current_span("x"):
            pass
        return exporter.get_finished_spans()[-1].resource.attributes["service.name"]

    ours = name()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "poses")

    assert (ours, name()) == ("stance", "poses")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "service.http.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)

    with pytest.raises(TracingUnavailable, match="expected the packages of the extra otel"):
        open_tracing(enabled=True)


def test_without_tracing_nothing_of_it_is_loaded():
    script = (
        "import sys\n"
        "import service.cli\n"
        "from service.http.telemetry import open_tracing\n"
        "assert open_tracing(enabled=False) is None\n"
        "print(*(name for name in sys.modules if name.startswith('opentelemetry.sdk')))\n"
        "print('service.http.tracing' in sys.modules)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["False"]


async def test_providers_of_others_are_left_alone(settings, estimator):
    # FastAPI would by default use whatever provider the process has, and send what it finds.
    app = create_app(settings, Given(estimator))

    assert {**app._telemetry, **NO_TELEMETRY} == app._telemetry
    assert not app._native_telemetry.enabled()
