"""What Prometheus is told."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from service.runtime.runtime import Runtime, State

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PERSONS = (0, 1, 2, 3, 5, 10, 20, 50, 100)


class Metrics:
    """Counters, histograms and gauges in a registry of their own.

    Args:
        runtime: whose queue and state are shown.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pose_requests",
            "Requests by route and status.",
            ("route", "status"),
            registry=self._registry,
        )
        self._request_s = Histogram(
            "pose_request_duration_seconds",
            "Time from a request's head to its answer, with the upload.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stage_s = Histogram(
            "pose_stage_duration_seconds",
            "Time of one picture by stage: queue, decode, detect, keypoints, total.",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._persons = Histogram(
            "pose_persons_per_picture",
            "People found in a picture.",
            buckets=_PERSONS,
            registry=self._registry,
        )
        self._rejections = Counter(
            "pose_rejections",
            "Requests without a result, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self._pipeline = Info(
            "pose_pipeline",
            "The loaded pipeline and the execution provider that really runs it.",
            registry=self._registry,
        )
        self._watch(runtime)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def count_request(self, route: str, status: int, elapsed_s: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._request_s.labels(route).observe(elapsed_s)

    def count_rejection(self, reason: str) -> None:
        self._rejections.labels(reason).inc()

    def count_picture(self, persons: int, stages_s: Mapping[str, float]) -> None:
        """Counts an answered picture.

        Args:
            persons: found in it.
            stages_s: seconds by stage.
        """
        self._persons.observe(persons)
        for stage, elapsed_s in stages_s.items():
            self._stage_s.labels(stage).observe(elapsed_s)

    def set_pipeline(self, labels: Mapping[str, str]) -> None:
        """Names the loaded pipeline, its networks and its execution provider."""
        self._pipeline.info(dict(labels))

    def exposition(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def _watch(self, runtime: Runtime) -> None:
        for name, text, value in (
            (
                "pose_queue_depth",
                "Pictures that wait for a worker.",
                lambda: runtime.workers.waiting,
            ),
            ("pose_workers_busy", "Workers at work.", lambda: runtime.workers.running),
            ("pose_requests_inside", "Admitted requests.", lambda: runtime.admission.inside),
            ("pose_ready", "1 while requests are taken.", lambda: runtime.state is State.READY),
        ):
            Gauge(name, text, registry=self._registry).set_function(value)
