"""What the service says of itself: alive, ready, its models, its metrics."""

from starlette.responses import Response

from service.http.documents import models_document, ready_document
from service.http.metrics import MEDIA_TYPE, Metrics
from service.http.schemas import LiveDocument, ModelsDocument, ReadyDocument
from service.runtime.runtime import Runtime, State


class Status:
    """The endpoints for probes, scrapers and the curious; none of them needs a place inside.

    Args:
        runtime: whose state is told.
        metrics: to expose.
    """

    def __init__(self, runtime: Runtime, metrics: Metrics) -> None:
        self._runtime = runtime
        self._metrics = metrics

    async def live(self) -> LiveDocument:
        """200 as long as the process is worth keeping; otherwise it should be started again."""
        if self._runtime.state is State.FAILING:
            self._runtime.require_ready()
        return LiveDocument()

    async def ready(self) -> ReadyDocument:
        """200 once the networks are loaded and tried out, until the service shuts down."""
        self._runtime.require_ready()
        return ready_document(self._runtime.pipelines)

    async def models(self) -> ModelsDocument:
        """The loaded pipelines, and the cards of their networks with skeleton and metrics."""
        self._runtime.require_ready()
        return models_document(self._runtime.pipelines)

    async def load(self, name: str) -> ModelsDocument:
        """Opens a pipeline of `pipelines.toml`, or opens it again; requests go on meanwhile."""
        self._runtime.require_ready()
        await self._runtime.pipelines.load(name)
        return models_document(self._runtime.pipelines)

    async def unload(self, name: str) -> ModelsDocument:
        """Takes no new requests for a pipeline; those that were admitted are answered."""
        self._runtime.require_ready()
        self._runtime.pipelines.unload(name)
        return models_document(self._runtime.pipelines)

    async def metrics(self) -> Response:
        """Prometheus's text format."""
        return Response(self._metrics.exposition(), media_type=MEDIA_TYPE)
