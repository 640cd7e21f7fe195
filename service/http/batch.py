"""`POST /predict/batch`: many pictures in one form, an answer for each."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import ExitStack, aclosing
from functools import partial
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from starlette.responses import Response

from service.http.deadline import RequestTimeout, in_time, ticket_of, watch_client
from service.http.documents import prediction_document, stages_s
from service.http.lines import NDJSON, Lines
from service.http.metrics import Metrics
from service.http.middleware import request_id_of
from service.http.notes import note_picture
from service.http.predict import picture_of
from service.http.problems import INTERNAL, document_of, kind_of, logged_bug
from service.http.schemas import (
    BatchDocument,
    BatchItemDocument,
    PoseQuery,
    PredictionDocument,
    Problem,
)
from service.http.uploads import NamedPicture, Upload, read_batch
from service.inference.errors import PoseError
from service.inference.estimator import PoseEstimator
from service.runtime.guard import guard
from service.runtime.prediction import pose
from service.runtime.runtime import Runtime
from service.runtime.ticket import Ticket
from service.settings import Settings

T = TypeVar("T")

_JSON = "application/json"


class Batch:
    """The endpoint; a batch takes one place, and keeps at most all workers busy.

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
        query: Annotated[PoseQuery, Query()],
        x_request_timeout: RequestTimeout = None,
    ) -> Response:
        """Finds the people in each picture of a form; a bad picture does not harm the others.

        With `Accept: application/x-ndjson` each result is sent as soon as it is ready, one line of
        JSON each, in any order; otherwise all of them at the end, in the order of the form.
        """
        query = query.limited(self._settings.max_persons)
        ticket = ticket_of(self._settings.request_timeout_s, x_request_timeout)
        with ExitStack() as stack:
            estimator = stack.enter_context(self._runtime.admit(query.pipeline))
            async with in_time(ticket):
                pictures = await read_batch(
                    request,
                    max_bytes=self._settings.max_batch_bytes,
                    max_pictures=self._settings.max_pictures,
                    timeout_s=self._settings.upload_timeout_s,
                    min_bytes_per_s=self._settings.min_upload_bytes_per_s,
                )
            job = partial(self._item, guard(estimator, ticket), query, ticket, request)
            jobs = [partial(job, index, picture) for index, picture in enumerate(pictures)]
            results = as_ready(jobs, at_once=self._runtime.workers.count)
            if NDJSON in request.headers.get("accept", ""):
                stack.callback(ticket.cancel)
                return Lines(_lines(results), stack.pop_all())
            async with watch_client(request, ticket), aclosing(results):
                done = [item async for item in results]
        document = BatchDocument(results=sorted(done, key=lambda item: item.index))
        return Response(document.model_dump_json(exclude_none=True), media_type=_JSON)

    async def _item(
        self,
        estimator: PoseEstimator,
        query: PoseQuery,
        ticket: Ticket,
        request: Request,
        index: int,
        picture: NamedPicture,
    ) -> BatchItemDocument:
        answer = partial(BatchItemDocument, index=index, filename=picture.filename)
        try:
            return answer(prediction=await self._prediction(estimator, query, ticket, picture.data))
        except PoseError as error:
            return answer(problem=self._problem(error, request_id_of(request.scope)))

    async def _prediction(
        self, estimator: PoseEstimator, query: PoseQuery, ticket: Ticket, data: bytes
    ) -> PredictionDocument:
        limits = self._settings.image_limits
        picture = picture_of(Upload(data), query)
        done = await self._runtime.run(partial(pose, estimator, picture, limits), ticket)
        stages = stages_s(done.value, queue_s=done.queue_s, total_s=done.queue_s + done.work_s)
        self._metrics.count_picture(len(done.value.prediction.persons), stages)
        note_picture(len(done.value.prediction.persons), stages)
        threshold = query.min_keypoint_score or 0.0
        return prediction_document(estimator, done.value, stages, min_keypoint_score=threshold)

    def _problem(self, error: PoseError, request_id: str) -> Problem:
        kind = kind_of(error)
        self._metrics.count_rejection(kind.slug)
        if kind is not INTERNAL:
            return document_of(kind, str(error), request_id)
        return logged_bug(error, request_id)


async def _lines(results: AsyncGenerator[BatchItemDocument]) -> AsyncGenerator[str]:
    async with aclosing(results):
        async for item in results:
            yield item.model_dump_json(exclude_none=True) + "\n"


async def as_ready(
    jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]], *, at_once: int
) -> AsyncGenerator[T]:
    """Does jobs side by side, so many at once; gives their results as they come."""
    left = iter(jobs)
    running = {asyncio.create_task(job()) for job in islice(left, at_once)}
    try:
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            running |= {asyncio.create_task(job()) for job in islice(left, len(done))}
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
