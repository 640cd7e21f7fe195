"""What the service says of itself: alive, ready, its models, its metrics."""

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from service.http.documents import models_document, ready_document
from service.http.metrics import MEDIA_TYPE, Metrics
from service.http.schemas import LiveDocument, ModelsDocument, ReadyDocument
from service.runtime.runtime import Runtime


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
        """200 as long as the process answers; whoever gets none should restart it."""
        return LiveDocument()

    async def ready(self) -> ReadyDocument:
        """200 once the networks are loaded and warm, until the service shuts down."""
        return ready_document(self._runtime.estimator())

    async def models(self) -> ModelsDocument:
        """The loaded pipeline, and the cards of its networks with skeleton and metrics."""
        return models_document(self._runtime.estimator())

    async def metrics(self) -> Response:
        """Prometheus's text format."""
        return Response(self._metrics.exposition(), media_type=MEDIA_TYPE)

    async def home(self, request: Request) -> Response:
        """Leads a browser to the interactive documentation."""
        return RedirectResponse(request.scope.get("root_path", "") + "/docs")
