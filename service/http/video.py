"""`POST /predict/video`: a video in, a line about each frame out while it is worked on."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import structlog
from fastapi import Query, Request
from starlette.responses import Response

from service.http.deadline import RequestTimeout, in_time, ticket_of, watch_client
from service.http.lines import Lines
from service.http.metrics import Metrics, VideoResult
from service.http.middleware import request_id_of, set_problem
from service.http.problems import kind_of
from service.http.schemas import Problem
from service.http.video_documents import (
    clip_options,
    frame_document,
    header_document,
    line,
    problem_of,
    round_time,
    summary_document,
)
from service.http.video_schemas import VideoFrameDocument, VideoQuery, VideoSummaryDocument
from service.http.video_upload import read_video, spooled
from service.inference.errors import PoseError, ShuttingDown
from service.inference.estimator import PoseEstimator
from service.runtime.clip import Clip
from service.runtime.guard import guard
from service.runtime.runtime import Runtime
from service.runtime.ticket import Ticket
from service.settings import Settings

_DRAIN_SHARE = 0.75
"""Of the time for draining, after which a video is given up so that its client can be told."""


class Video:
    """The endpoint; a video takes one place, and its frames wait in the queue as pictures do.

    Args:
        settings: limits on the upload, the video and the time.
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
        query: Annotated[VideoQuery, Query()],
        x_request_timeout: RequestTimeout = None,
    ) -> Response:
        """Finds the people in each frame of a video and follows them from frame to frame.

        The answer is NDJSON: a header, a line for each frame as soon as it is done, a summary. An
        error on the way is a problem document as the last line. Frames are worked on as fast as the
        client reads.
        """
        query = query.limited(self._settings.max_persons)
        ticket = ticket_of(self._settings.video_timeout_s, x_request_timeout)
        with ExitStack() as stack:
            estimator = guard(stack.enter_context(self._runtime.admit(query.pipeline)), ticket)
            spool = stack.enter_context(spooled())
            async with in_time(ticket):
                await read_video(
                    request,
                    spool,
                    max_bytes=self._settings.max_video_bytes,
                    timeout_s=self._settings.upload_timeout_s,
                    min_bytes_per_s=self._settings.min_upload_bytes_per_s,
                )
            limits = self._settings.video_limits
            opened = partial(Clip, spool.path, estimator, limits, clip_options(query))
            async with watch_client(request, ticket):
                clip = (await self._runtime.run(opened, ticket)).value
                stack.callback(clip.close)
                spool.forget()
                answering = Answering(clip, query, ticket, self._settings.drain_timeout_s)
                stack.callback(answering.left, self._metrics)
                # What is wrong with the video shows here: it is answered with a status of its own.
                first = await answering.next_frame(self._runtime, self._metrics)
            lines = self._lines(request, estimator, answering, first)
            return Lines(lines, stack.pop_all())

    async def _lines(
        self,
        request: Request,
        estimator: PoseEstimator,
        answering: "Answering",
        first: VideoFrameDocument | None,
    ) -> AsyncGenerator[str]:
        try:
            yield line(header_document(estimator, answering.clip.info))
            frame = first
            while frame is not None:
                yield line(frame)
                frame = await answering.next_frame(self._runtime, self._metrics)
            answering.result = "complete"
            yield line(answering.summary())
        except PoseError as error:
            yield line(self._problem(request, error))

    def _problem(self, request: Request, error: PoseError) -> Problem:
        set_problem(request.scope, kind_of(error).slug)
        return problem_of(error, request_id_of(request.scope))


class Answering:
    """A clip whose frames are answered one after the other.

    Args:
        clip: the video.
        query: what is asked.
        ticket: of the request.
        drain_timeout_s: that a service has left once it is told to stop.

    Attributes:
        result: how it ended; unless told otherwise, because the client has left.
    """

    def __init__(
        self, clip: Clip, query: VideoQuery, ticket: Ticket, drain_timeout_s: float
    ) -> None:
        self.clip = clip
        self.result: VideoResult = "client-gone"
        self._query = query
        self._ticket = ticket
        self._drain_s = _DRAIN_SHARE * drain_timeout_s
        self._stages_s: Counter[str] = Counter()

    async def next_frame(self, runtime: Runtime, metrics: Metrics) -> VideoFrameDocument | None:
        """Does the next frame, waiting in the queue for it; None after the last one.

        Raises:
            ShuttingDown: the service will not live long enough.
            PoseError: as `Clip.step`.
        """
        try:
            while not self.clip.ended:
                if runtime.draining_s > self._drain_s:
                    raise ShuttingDown("The service is shutting down; the video was given up.")
                done = await runtime.run(self.clip.step, self._ticket)
                if done.value is not None:
                    stages_s = {**done.value.stages_s, "queue": done.queue_s}
                    stages_s["total"] = done.queue_s + done.work_s
                    self._stages_s.update(stages_s)
                    metrics.count_frame("video", len(done.value.tracked), stages_s)
                    return frame_document(done.value, stages_s, self._query.min_keypoint_score)
        except PoseError:
            self.result = "failed"
            raise
        return None

    def summary(self) -> VideoSummaryDocument:
        """What is said at the end."""
        stages = ("decode", "detect", "keypoints", "queue", "total")
        return summary_document(self.clip, {stage: self._stages_s[stage] for stage in stages})

    def left(self, metrics: Metrics) -> None:
        """Nobody reads any more; a frame that waits is dropped."""
        self._ticket.cancel()
        metrics.count_video(self.result)
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.http")
        logger.info(
            "video",
            result=self.result,
            frames=self.clip.answered,
            seconds=round_time(self.clip.seconds),
            tracks=self.clip.tracks,
        )
