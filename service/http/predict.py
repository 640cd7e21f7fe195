"""`POST /predict`: a picture in, its people out."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import Query, Request
from pydantic_core import to_json
from starlette.responses import Response

from service.http.deadline import RequestTimeout, in_time, ticket_of, watch_client
from service.http.documents import hide_joints, prediction_document, stages_s
from service.http.metrics import Metrics
from service.http.negotiation import PictureType, preferred_picture_type
from service.http.notes import note_picture
from service.http.schemas import PoseQuery, PredictQuery
from service.http.uploads import Upload, read_upload
from service.inference.coco import coco_results
from service.inference.estimator import PoseEstimator
from service.inference.image import ImageLimits
from service.inference.render import draw_persons, encode_image
from service.runtime.guard import guard
from service.runtime.prediction import Picture, Posed, pose
from service.runtime.runtime import Runtime
from service.settings import Settings

_JSON = "application/json"
_IMAGE_ID = 1


class Predict:
    """The endpoint: reads on the event loop, works in a thread, answers.

    Args:
        settings: limits on the upload and the time.
        runtime: admits and works.
        metrics: counts.
    """

    def __init__(self, settings: Settings, runtime: Runtime, metrics: Metrics) -> None:
        self._settings = settings
        self._runtime = runtime
        self._metrics = metrics

    async def predict(
        self,
        request: Request,
        query: Annotated[PredictQuery, Query()],
        x_request_timeout: RequestTimeout = None,
    ) -> Response:
        """Finds the people in a picture and their joints, in pixels of the upright picture."""
        query = query.limited(self._settings.max_persons)
        limits = self._settings.image_limits
        ticket = ticket_of(self._settings.request_timeout_s, x_request_timeout)
        with self._runtime.admit(query.pipeline) as estimator:
            async with in_time(ticket):
                upload = await read_upload(
                    request,
                    max_bytes=limits.max_bytes,
                    timeout_s=self._settings.upload_timeout_s,
                    min_bytes_per_s=self._settings.min_upload_bytes_per_s,
                )
            drawing_type = _drawing_type(request, query)
            work = partial(_work, guard(estimator, ticket), upload, query, limits, drawing_type)
            async with watch_client(request, ticket):
                done = await self._runtime.run(work, ticket)
        posed, drawing = done.value
        stages = stages_s(posed, queue_s=done.queue_s, total_s=done.queue_s + done.work_s)
        self._metrics.count_picture(len(posed.prediction.persons), stages)
        note_picture(len(posed.prediction.persons), stages)
        return drawing or _document(estimator, posed, query, stages)


def picture_of(upload: Upload, query: PoseQuery, *, drawn: bool = False) -> Picture:
    """An upload and what is asked about it."""
    return Picture(
        data=upload.data,
        boxes=upload.boxes,
        max_persons=query.max_persons,
        min_person_score=query.min_person_score,
        drawn=drawn,
    )


def _work(
    estimator: PoseEstimator,
    upload: Upload,
    query: PredictQuery,
    limits: ImageLimits,
    drawing_type: PictureType | None,
) -> tuple[Posed, Response | None]:
    """Everything that costs time, for one thread: the people, and their drawing if asked for."""
    picture = picture_of(upload, query, drawn=drawing_type is not None)
    posed = pose(estimator, picture, limits)
    if drawing_type is None:
        return posed, None
    return posed, _drawing(estimator, posed, query, drawing_type)


def _drawing_type(request: Request, query: PredictQuery) -> PictureType | None:
    if query.format != "image":
        return None
    return preferred_picture_type(request.headers.get("accept", "*/*"))


def _drawing(
    estimator: PoseEstimator, posed: Posed, query: PredictQuery, media_type: PictureType
) -> Response:
    skeleton = estimator.skeleton
    persons = posed.prediction.persons
    if query.min_keypoint_score is None:
        drawn = draw_persons(posed.image, persons, skeleton)
    else:
        drawn = draw_persons(
            posed.image, persons, skeleton, min_keypoint_score=query.min_keypoint_score
        )
    return Response(encode_image(drawn, media_type), media_type=media_type)


def _document(
    estimator: PoseEstimator, posed: Posed, query: PredictQuery, stages: Mapping[str, float]
) -> Response:
    threshold = query.min_keypoint_score or 0.0
    if query.format == "coco":
        persons = hide_joints(posed.prediction.persons, threshold)
        return Response(to_json(coco_results(persons, _IMAGE_ID)), media_type=_JSON)
    document = prediction_document(estimator, posed, stages, min_keypoint_score=threshold)
    return Response(document.model_dump_json(), media_type=_JSON)
