"""What Prometheus is told: how requests went, and what `RuntimeCollector` reads at the scrape."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from service.http.runtime_collector import RuntimeCollector
from service.inference.card import Task
from service.inference.estimator import PoseEstimator
from service.runtime.runtime import Runtime

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# Stages take from 1 ms to 1 s: there a percentile read from these is off by half at most.
# fmt: off
_STAGE_S = (
    0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
    0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0,
)
# fmt: on
_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Counters that alerts watch are there from the start: the first of them would be missed otherwise.
_WATCHED_REASONS = ("overloaded", "deadline-passed", "internal-error")
_LOADED, _UNLOADED, _REFUSED = "loaded", "unloaded", "refused"
_ANSWERED, _DROPPED = "answered", "dropped"
# Closed for being idle, by a drain, by the client, for want of a key, for want of room.
_USUAL_CODES = ("1000", "1001", "1005", "1008", "1013")
_PERSONS = (0, 1, 2, 3, 5, 10, 20, 50, 100)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


FrameSource = Literal["video", "stream"]
VideoResult = Literal["complete", "failed", "client-gone"]


class Metrics:
    """Counters, histograms and gauges in a registry of their own; its methods are thread-safe."""

    def __init__(self) -> None:
        # When each series was made is of no use here, and would be a third of all lines.
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "pose_requests", "Requests by route and status.", "route", "status"
        )
        self._rejections = self._counter(
            "pose_rejections", "Requests without a result, by the problem they met.", "reason"
        )
        self._loads = self._counter(
            "pose_pipeline_loads", "Pipelines loaded, unloaded, or refused when loading.", "result"
        )
        self._videos = self._counter("pose_videos", "Videos by how they ended.", "result")
        self._frames = self._counter(
            "pose_frames", "Frames answered or dropped, of videos and streams.", "source", "result"
        )
        self._streams = self._counter(
            "pose_streams_closed", "Streams by the code they were closed with.", "code"
        )
        for reason in _WATCHED_REASONS:
            self._rejections.labels(reason)
        for ended in get_args(VideoResult):
            self._videos.labels(ended)
        for source, what in (("video", _ANSWERED), ("stream", _ANSWERED), ("stream", _DROPPED)):
            self._frames.labels(source, what)
        for code in _USUAL_CODES:
            self._streams.labels(code)
        for result in (_LOADED, _UNLOADED, _REFUSED):
            self._loads.labels(result)
        self._request_s = self._histogram(
            "pose_request_duration_seconds",
            "Time from a request's head to the end of its answer, with the upload.",
            _REQUEST_S,
            "route",
        )
        self._stage_s = self._histogram(
            "pose_stage_duration_seconds",
            "Time by stage: upload of a request; queue, decode, detect, keypoints of a picture; "
            "total is what a picture took after its upload.",
            _STAGE_S,
            "stage",
        )
        self._persons = self._histogram(
            "pose_persons_per_picture", "People found in a picture.", _PERSONS
        )
        self._rows = self._histogram(
            "pose_batch_rows", "Pictures or crops in one run of a network.", _ROWS, "task"
        )
        self._run_s = self._histogram(
            "pose_run_duration_seconds", "Time of one run of a network.", _STAGE_S, "task"
        )
        self._batch_wait_s = self._histogram(
            "pose_batch_wait_seconds", "Time that the oldest row of a batch has waited.", _STAGE_S
        )
        self._runtime = RuntimeCollector()
        self._registry.register(self._runtime)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def watch(self, runtime: Runtime, gpu_ids: Sequence[int] = ()) -> None:
        """Shows a runtime's state and queue.

        Args:
            runtime: what works.
            gpu_ids: that networks run on, where they do not run on the CPU.
        """
        self._runtime.runtime = runtime
        self._runtime.gpu_ids = gpu_ids

    def watch_batches(self, waiting: Callable[[], int]) -> None:
        """Shows how many rows wait for a GPU."""
        self._runtime.batch_queue_rows = waiting

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Shows how many connections are open."""
        self._runtime.connections = count

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
            self.observe_stage(stage, elapsed_s)

    def count_video(self, result: VideoResult) -> None:
        """Counts a video whose last line was sent, or whose client has left."""
        self._videos.labels(result).inc()

    def count_frame(self, source: FrameSource, persons: int, stages_s: Mapping[str, float]) -> None:
        """Counts an answered frame, also as the picture that it is."""
        self._frames.labels(source, _ANSWERED).inc()
        self.count_picture(persons, stages_s)

    def count_dropped_frame(self) -> None:
        """Counts a frame of a stream that was too old when its turn came."""
        self._frames.labels("stream", _DROPPED).inc()

    def count_stream(self, code: int) -> None:
        """Counts a stream that was closed."""
        self._streams.labels(str(code)).inc()

    def observe_stage(self, stage: str, elapsed_s: float) -> None:
        self._stage_s.labels(stage).observe(elapsed_s)

    def observe_run(self, task: Task, rows: int, elapsed_s: float) -> None:
        """Counts a run of a network."""
        self._rows.labels(task).observe(rows)
        self._run_s.labels(task).observe(elapsed_s)

    def observe_batch(self, _rows: int, wait_s: float) -> None:
        """Counts a batch of the GPU's queue; its rows are counted with its run."""
        self._batch_wait_s.observe(wait_s)

    def set_pipelines(self, estimators: Mapping[str, PoseEstimator]) -> list[PoseEstimator]:
        """Names the loaded pipelines and counts what has changed.

        Returns:
            Those that were not loaded before.
        """
        before, self._runtime.estimators = self._runtime.estimators, dict(estimators)
        new = [one for name, one in estimators.items() if before.get(name) is not one]
        self._loads.labels(_LOADED).inc(len(new))
        self._loads.labels(_UNLOADED).inc(len(before.keys() - estimators.keys()))
        return new

    def count_refused_reload(self, _name: str) -> None:
        """Counts a pipeline that could not be loaded; its name may be anything, so is no label."""
        self._loads.labels(_REFUSED).inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)
