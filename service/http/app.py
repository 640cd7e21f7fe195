"""The application: settings and a pipeline in, an ASGI application out."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from enum import Enum

import structlog
from fastapi import FastAPI

from service.http import openapi, problems
from service.http.documents import provider
from service.http.metrics import Metrics
from service.http.middleware import Observe
from service.http.predict import Predict
from service.http.schemas import PredictionDocument
from service.http.status import Status
from service.inference.estimator import PoseEstimator
from service.runtime.runtime import Runtime
from service.settings import Settings

_DESCRIPTION = "Finds the people in a picture and the named joints of each."


def create_app(settings: Settings, load: Callable[[], PoseEstimator]) -> FastAPI:
    """Wires the service; nothing is loaded before the server starts it.

    Args:
        settings: limits and numbers of threads.
        load: opens the pipeline; called once in a thread while `/health/ready` says 503.

    Returns:
        The application; its `Runtime` is at `app.state.runtime` for whoever runs the server.
    """
    runtime = Runtime(load, workers=settings.workers, max_waiting=settings.max_waiting)
    metrics = Metrics(runtime)

    def announce(estimator: PoseEstimator) -> None:
        pipeline = {
            "pipeline": estimator.name,
            "detector": estimator.detector.card.reference,
            "keypoints": estimator.keypoints.card.reference,
            "provider": provider(estimator),
        }
        metrics.set_pipeline(pipeline)
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
        logger.info("ready", **pipeline)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        runtime.start(announce)
        yield
        runtime.close()

    app = FastAPI(
        title="Stance",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.add_middleware(Observe, metrics=metrics)
    problems.install(app)
    _add_predict(app, Predict(settings, runtime, metrics))
    _add_status(app, Status(runtime, metrics))
    return app


def _add_predict(app: FastAPI, endpoint: Predict) -> None:
    app.add_api_route(
        "/predict",
        endpoint.predict,
        methods=["POST"],
        response_model=PredictionDocument,
        responses=openapi.predict_responses(),
        openapi_extra=openapi.PREDICT_BODY,
        tags=["pose"],
    )


def _add_status(app: FastAPI, endpoint: Status) -> None:
    tags: list[str | Enum] = ["status"]
    unready = openapi.problems(503)
    app.add_api_route("/health/live", endpoint.live, tags=tags)
    app.add_api_route("/health/ready", endpoint.ready, tags=tags, responses=unready)
    app.add_api_route("/models", endpoint.models, tags=tags, responses=unready)
    app.add_api_route("/metrics", endpoint.metrics, tags=tags, include_in_schema=False)
    app.add_api_route("/", endpoint.home, include_in_schema=False)
