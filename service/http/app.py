"""The application: settings and a pipeline in, an ASGI application out."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import structlog
from fastapi import Depends, FastAPI

from service import VERSION
from service.http import door, oip_routes, openapi, problems, web
from service.http.batch import Batch
from service.http.documents import provider
from service.http.keys import require_admin
from service.http.metrics import Metrics
from service.http.middleware import Observe
from service.http.predict import Predict
from service.http.schemas import BatchDocument
from service.http.status import Status
from service.http.stream import Stream
from service.http.stream_door import STREAM_PATH
from service.http.telemetry import NO_TELEMETRY
from service.http.video import Video
from service.inference.estimator import PoseEstimator
from service.inference.video.ffmpeg import restrict_ffmpeg
from service.runtime.pipelines import Models
from service.runtime.runtime import Runtime
from service.settings import Settings

if TYPE_CHECKING:
    from service.http.tracing import Tracing

_DESCRIPTION = "Finds the people in a picture and the named joints of each."


def create_app(
    settings: Settings,
    models: Models,
    *,
    metrics: Metrics | None = None,
    tracing: "Tracing | None" = None,
) -> FastAPI:
    """Wires the service; nothing is loaded before the server starts it.

    Args:
        settings: limits and numbers of threads.
        models: where pipelines come from; `/health/ready` says 503 until those of the settings
            are loaded.
        metrics: to count in, by default new ones.
        tracing: makes spans of requests; by default none are made.

    Returns:
        The application; its `Runtime` is at `app.state.runtime` for whoever runs the server.
    """
    runtime = Runtime(
        models,
        [settings.pipeline, *settings.also_load],
        workers=settings.worker_threads,
        max_waiting=settings.max_waiting,
        max_streams=settings.max_streams,
        reload_interval_s=settings.reload_interval_s,
    )
    metrics = metrics or Metrics()
    metrics.watch(runtime, settings.gpu_ids)
    restrict_ffmpeg()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        runtime.start(
            on_change=partial(_announce, metrics), on_refusal=metrics.count_refused_reload
        )
        yield
        runtime.close()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)

    app = FastAPI(
        title="Stance",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY if tracing is None else tracing.telemetry,
    )
    app.state.runtime = runtime
    page = web.read_files()
    door.install(app, settings, runtime, metrics, public=[file.path for file in page])
    app.add_middleware(Observe, metrics=metrics, tracing=tracing)
    problems.install(app)
    _add_pose(app, settings, runtime, metrics)
    _add_status(app, Status(runtime, metrics))
    web.install(app, page)
    oip_routes.install(app, settings, runtime, metrics)
    return app


def _announce(metrics: Metrics, estimators: Mapping[str, PoseEstimator]) -> None:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
    for estimator in metrics.set_pipelines(estimators):
        logger.info(
            "pipeline loaded",
            pipeline=estimator.name,
            detector=estimator.detector.card.reference,
            keypoints=estimator.keypoints.card.reference,
            provider=provider(estimator),
        )


def _add_pose(app: FastAPI, settings: Settings, runtime: Runtime, metrics: Metrics) -> None:
    _add_predict(app, Predict(settings, runtime, metrics))
    _add_batch(app, Batch(settings, runtime, metrics))
    _add_video(app, Video(settings, runtime, metrics))
    app.add_api_websocket_route(STREAM_PATH, Stream(settings, runtime, metrics).stream)


def _add_predict(app: FastAPI, endpoint: Predict) -> None:
    app.add_api_route(
        "/predict",
        endpoint.predict,
        methods=["POST"],
        # FastAPI would demand this document even where the query asks for another.
        response_model=None,
        responses=openapi.predict_responses(),
        openapi_extra=openapi.PREDICT_BODY,
        tags=["pose"],
    )


def _add_batch(app: FastAPI, endpoint: Batch) -> None:
    app.add_api_route(
        "/predict/batch",
        endpoint.predict,
        methods=["POST"],
        response_model=BatchDocument,
        responses=openapi.batch_responses(),
        openapi_extra=openapi.BATCH_BODY,
        tags=["pose"],
    )


def _add_video(app: FastAPI, endpoint: Video) -> None:
    app.add_api_route(
        "/predict/video",
        endpoint.predict,
        methods=["POST"],
        response_model=None,
        responses=openapi.video_responses(),
        openapi_extra=openapi.VIDEO_BODY,
        tags=["pose"],
    )


def _add_status(app: FastAPI, endpoint: Status) -> None:
    tags: list[str | Enum] = ["status"]
    unready = openapi.problems(503)
    app.add_api_route("/health/live", endpoint.live, tags=tags)
    app.add_api_route("/health/ready", endpoint.ready, tags=tags, responses=unready)
    app.add_api_route("/models", endpoint.models, tags=tags, responses=unready)
    app.add_api_route(
        "/models/{name}/load",
        endpoint.load,
        methods=["POST"],
        tags=tags,
        dependencies=[Depends(require_admin)],
        responses=openapi.problems(401, 403, 422, 503),
        openapi_extra=openapi.KEYS,
    )
    app.add_api_route(
        "/models/{name}/unload",
        endpoint.unload,
        methods=["POST"],
        tags=tags,
        dependencies=[Depends(require_admin)],
        responses=openapi.problems(401, 403, 404, 409, 503),
        openapi_extra=openapi.KEYS,
    )
    app.add_api_route("/metrics", endpoint.metrics, tags=tags, include_in_schema=False)
