"""Spans for OpenTelemetry: FastAPI makes a request's span, this adds the stages of its pictures.

FastAPI finds the caller's trace, names route and status and ends the span with the answer's last
byte. Only `service.http.telemetry` imports this module, and only if tracing is on.
"""

import threading
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from service import VERSION
from service.http.notes import PROBES, Notes, PictureNote
from service.http.telemetry import NO_TELEMETRY

_STAGES = ("queue", "decode", "detect", "keypoints")
_FLUSH_S = 3.0


class Tracing:
    """Adds to the span that FastAPI has made for a request.

    Args:
        processor: gets the spans that have ended.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        ours = Resource.create({"service.name": "stance", "service.version": VERSION})
        self._provider = TracerProvider(
            # What the variables say counts more.
            resource=ours.merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("stance", VERSION)

    @property
    def telemetry(self) -> TelemetryConfig:
        """What FastAPI is to do: a span for each request but those of probes, and nothing else."""
        return {
            **NO_TELEMETRY,
            "tracing": True,
            "tracer_provider": self._provider,
            "exclude": _is_probe,
        }

    def ids(self) -> dict[str, str]:
        """Trace and span of the request at hand, as the log names them; empty for a probe."""
        span = trace.get_current_span().get_span_context()
        if not span.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(span.trace_id),
            "span_id": trace.format_span_id(span.span_id),
        }

    def describe(self, attributes: Mapping[str, str]) -> None:
        """Puts attributes on the span of the request at hand."""
        span = trace.get_current_span()
        span.set_attributes({f"pose.{name}": value for name, value in attributes.items()})

    def add_stages(self, notes: Notes) -> None:
        """Adds a span for each stage of the request at hand, at the time when it went on."""
        if not trace.get_current_span().get_span_context().is_valid:
            return
        if notes.upload_s is not None:
            self._add("upload", notes.started_ns, notes.upload_s, {})
        for index, picture in enumerate(notes.pictures):
            attributes = {"pose.picture": index, "pose.persons": picture.persons}
            for stage, started_ns in _starts(picture):
                self._add(stage, started_ns, picture.stages_s[stage], attributes)

    def close(self) -> None:
        """Sends what is left, for a few seconds: a collector that is away must not hold the end."""
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(_FLUSH_S)

    def _add(
        self, name: str, started_ns: int, elapsed_s: float, attributes: Mapping[str, int]
    ) -> None:
        span = self._tracer.start_span(name, start_time=started_ns, attributes=attributes)
        span.end(started_ns + _ns(elapsed_s))


def otlp_tracing() -> Tracing:
    """Spans by OTLP over HTTP, as the standard `OTEL_*` variables say."""
    return Tracing(BatchSpanProcessor(OTLPSpanExporter()))


def _starts(picture: PictureNote) -> Iterator[tuple[str, int]]:
    """When each stage began, in ns since the epoch: they follow each other without a gap."""
    started_ns = picture.ended_ns - _ns(picture.stages_s["total"])
    for stage in _STAGES:
        yield stage, started_ns
        started_ns += _ns(picture.stages_s[stage])


def _ns(elapsed_s: float) -> int:
    return round(elapsed_s * 1e9)


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) in PROBES
