"""What is read from the runtime at each scrape: its state, its queue and what is loaded."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service import VERSION
from service.inference.estimator import PoseEstimator
from service.inference.providers import CPU
from service.inference.session import Session
from service.runtime.runtime import Runtime, State


class RuntimeCollector(Collector):
    """Makes the gauges when they are asked for, so that none can be out of date.

    Attributes:
        runtime: whose state is shown; None before there is one.
        gpu_ids: that networks run on, where they do not run on the CPU.
        estimators: the loaded pipelines by name.
        batch_queue_rows: rows that wait for a GPU.
        connections: open ones.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.gpu_ids: Sequence[int] = ()
        self.estimators: Mapping[str, PoseEstimator] = {}
        self.batch_queue_rows: Callable[[], int] = int
        self.connections: Callable[[], int] = int

    def collect(self) -> Iterable[Metric]:
        yield _info(
            "pose_build",
            "The service's version.",
            [{"version": VERSION, "python": platform.python_version()}],
        )
        yield GaugeMetricFamily(
            "pose_batch_queue_rows",
            "Pictures and crops that wait for a GPU.",
            value=self.batch_queue_rows(),
        )
        yield GaugeMetricFamily(
            "pose_connections", "Open connections, idle ones too.", value=self.connections()
        )
        yield from _pipelines(self.estimators, self.gpu_ids)
        if self.runtime is not None:
            yield from _load(self.runtime)
            yield from _state(self.runtime)
            yield _saved(self.runtime)


def _load(runtime: Runtime) -> Iterator[Metric]:
    for name, text, value in (
        ("pose_queue_depth", "Pictures that wait for a worker.", runtime.workers.waiting),
        ("pose_workers", "Threads that decode pictures and run networks.", runtime.workers.count),
        ("pose_workers_busy", "Workers at work.", runtime.workers.running),
        ("pose_workers_overdue", "Workers at work that nobody waits for.", runtime.workers.overdue),
        ("pose_requests_inside", "Admitted requests.", runtime.inside),
        ("pose_streams", "Open connections to WS /stream.", runtime.streams.inside),
        ("pose_requests_limit", "Requests that are admitted at once.", runtime.admission.limit),
    ):
        yield GaugeMetricFamily(name, text, value=value)


def _state(runtime: Runtime) -> Iterator[Metric]:
    now = runtime.state
    yield GaugeMetricFamily("pose_ready", "1 while requests are taken.", value=now is State.READY)
    states = GaugeMetricFamily("pose_state", "1 for the state it is in.", labels=["state"])
    for state in State:
        states.add_metric([state.value], now is state)
    yield states


def _saved(runtime: Runtime) -> Metric:
    saved = CounterMetricFamily(
        "pose_inference_saved",
        "Pictures given up before a run of a network, since nobody waited any more, by reason.",
        labels=["reason"],
    )
    for reason, count in runtime.workers.dropped.items():
        saved.add_metric([reason], count)
    return saved


def _pipelines(estimators: Mapping[str, PoseEstimator], gpu_ids: Sequence[int]) -> Iterator[Metric]:
    yield _info(
        "pose_pipeline",
        "The loaded pipelines and their networks.",
        [
            {
                "pipeline": name,
                "detector": estimator.detector.card.reference,
                "keypoints": estimator.keypoints.card.reference,
            }
            for name, estimator in estimators.items()
        ],
    )
    sessions = {
        session.card.reference: session
        for estimator in estimators.values()
        for session in (estimator.detector, estimator.keypoints)
    }
    yield _info("pose_network", "The loaded networks.", map(_network, sessions.values()))
    providers = GaugeMetricFamily(
        "pose_execution_provider",
        "1 for the execution provider that really runs a network.",
        labels=["network", "provider", "device"],
    )
    for reference, session in sessions.items():
        for device in _devices(session, gpu_ids):
            providers.add_metric([reference, session.provider, device], 1)
    yield providers


def _network(session: Session) -> dict[str, str]:
    card = session.card
    return {
        "network": card.reference,
        "task": card.task,
        "precision": card.precision,
        "sha256": card.sha256 or "",
    }


def _devices(session: Session, gpu_ids: Sequence[int]) -> list[str]:
    return ["cpu"] if session.provider == CPU else [f"cuda:{gpu_id}" for gpu_id in gpu_ids]


def _info(name: str, text: str, values: Iterable[Mapping[str, str]]) -> Metric:
    family = InfoMetricFamily(name, text)
    for labels in values:
        family.add_metric([], dict(labels))
    return family
