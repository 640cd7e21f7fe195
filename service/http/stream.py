"""`WS /stream`: pictures in as they are taken, people out; what comes too fast is dropped."""

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.http.documents import stages_s, timings_document
from service.http.metrics import Metrics
from service.http.problems import document_of, kind_of
from service.http.schemas import ImageDocument
from service.http.stream_door import (
    GOING_AWAY,
    NORMAL,
    closing_code,
    protocol_of,
    require_origin,
    require_stream_key,
)
from service.http.video_documents import (
    clip_options,
    options_document,
    problem_of,
    round_time,
    tracked_documents,
)
from service.http.video_schemas import StreamFrameDocument, StreamOptions, StreamProblem
from service.inference.errors import InvalidInput, PoseError
from service.inference.tracking.tracker import Tracked
from service.inference.validation import first_problem
from service.runtime.follower import Follower
from service.runtime.prediction import Picture, Posed
from service.runtime.runtime import Runtime, State
from service.runtime.ticket import ClientGone, Ticket
from service.runtime.workers import Done
from service.settings import Settings

_LOOK_S = 0.1
"""Between two looks whether the service drains: a signal wakes nobody."""
_MAX_OPTIONS_CHARACTERS = 16 * 1024
_DISCONNECTED = 1005


class Stream:
    """The endpoint.

    Args:
        settings: limits on streams, pictures and the time.
        runtime: admits and works.
        metrics: counts.
    """

    def __init__(self, settings: Settings, runtime: Runtime, metrics: Metrics) -> None:
        self._settings = settings
        self._runtime = runtime
        self._metrics = metrics

    async def stream(self, websocket: WebSocket) -> None:
        """Answers one connection until it is closed."""
        request_id = uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        await websocket.accept(subprotocol=protocol_of(websocket.scope))
        with suppress(WebSocketDisconnect):
            try:
                require_origin(websocket.scope, self._settings.cors_origins)
                require_stream_key(websocket.app.state.keys, websocket.scope)
                self._runtime.require_room()
                with self._runtime.streams.admit():
                    connection = _Connection(
                        websocket, self._settings, self._runtime, self._metrics, request_id
                    )
                    await connection.serve()
            except PoseError as error:
                # Before the first picture; the code says what to do, the document why.
                kind, code = kind_of(error), closing_code(error)
                self._metrics.count_rejection(kind.slug)
                self._metrics.count_stream(code)
                await websocket.send_text(
                    document_of(kind, str(error), request_id).model_dump_json()
                )
                await websocket.close(code, kind.title)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A picture that has come.

    Attributes:
        number: among those sent, from 0.
        time_s: when it came, since the first.
        data: the file.
        options: that counted when it came.
    """

    number: int
    time_s: float
    data: bytes
    options: StreamOptions


class _Connection:
    """One client: the newest picture that waits, the options that count, who is followed."""

    def __init__(
        self,
        websocket: WebSocket,
        settings: Settings,
        runtime: Runtime,
        metrics: Metrics,
        request_id: str,
    ) -> None:
        self._websocket = websocket
        self._settings = settings
        self._runtime = runtime
        self._metrics = metrics
        self._request_id = request_id
        self._options = StreamOptions().limited(settings.max_persons)
        self._follower = Follower()
        self._waiting: _Frame | None = None
        self._arrived = asyncio.Event()
        self._received = self._answered = self._dropped = 0
        self._first_s: float | None = None
        self._ticket = Ticket()

    async def serve(self) -> None:
        """Receives and answers until one side has enough, and says why it ends."""
        receiving = asyncio.create_task(self._receive())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait({receiving, answering}, return_when=asyncio.FIRST_COMPLETED)
            ended = receiving if receiving.done() else answering
            code, reason = await ended
        except (WebSocketDisconnect, ClientGone):
            code, reason = _DISCONNECTED, ""
        finally:
            receiving.cancel()
            answering.cancel()
            # What waits in the queue is dropped.
            self._ticket.cancel()
        self._record(code)
        if code != _DISCONNECTED:
            await self._websocket.close(code, reason)

    def _record(self, code: int) -> None:
        self._metrics.count_stream(code)
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service.http")
        logger.info(
            "stream",
            code=code,
            received=self._received,
            answered=self._answered,
            dropped=self._dropped,
            tracks=self._follower.tracks,
        )

    async def _receive(self) -> tuple[int, str]:
        """Takes messages as they come; returns why no more are taken."""
        while True:
            message = asyncio.ensure_future(self._websocket.receive())
            due = time.monotonic() + self._settings.stream_idle_timeout_s
            try:
                while not message.done():
                    if self._runtime.state is State.DRAINING:
                        return GOING_AWAY, "the service is shutting down"
                    if time.monotonic() > due:
                        return NORMAL, "no message came for too long"
                    await asyncio.wait({message}, timeout=_LOOK_S)
            finally:
                message.cancel()
            await self._take(message.result())

    async def _take(self, message: "Any") -> None:
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", _DISCONNECTED))
        data: bytes | None = message.get("bytes")
        if data is not None:
            self._put(data)
        else:
            await self._set_options(message.get("text") or "")

    def _put(self, data: bytes) -> None:
        """Lets a picture wait in the place of one that nobody has begun."""
        now = time.monotonic()
        if self._first_s is None:
            self._first_s = now
        if self._waiting is not None:
            self._dropped += 1
            self._metrics.count_dropped_frame()
        self._waiting = _Frame(self._received, now - self._first_s, data, self._options)
        self._received += 1
        self._arrived.set()

    async def _set_options(self, text: str) -> None:
        try:
            options = _options_of(text).limited(self._settings.max_persons)
            estimator = self._runtime.pipelines.get(options.pipeline)
        except PoseError as error:
            await self._send_problem(error, None)
        else:
            self._options = options
            await self._send(options_document(estimator, options).model_dump_json())

    async def _answer(self) -> tuple[int, str]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            frame, self._waiting = self._waiting, None
            if frame is not None:
                await self._answer_frame(frame)

    async def _answer_frame(self, frame: _Frame) -> None:
        options = frame.options
        try:
            with self._runtime.admit(options.pipeline) as estimator:
                # A new one for each picture: each has its deadline.
                self._ticket = Ticket(self._settings.request_timeout_s)
                picture = Picture(
                    frame.data,
                    max_persons=options.max_persons,
                    min_person_score=options.min_person_score,
                )
                work = partial(
                    self._follower.answer,
                    *(estimator, picture, self._settings.image_limits),
                    *(clip_options(options), frame.time_s, self._ticket),
                )
                done = await self._runtime.run(work, self._ticket)
        except PoseError as error:
            if not self._ticket.alive:
                # Its thread may still be at work: it must not share what it follows.
                self._follower = self._follower.renewed()
            await self._send_problem(error, frame.number)
        else:
            self._answered += 1
            await self._send(self._document(frame, done).model_dump_json(exclude_none=True))

    def _document(
        self, frame: _Frame, done: Done[tuple[Posed, list[Tracked]]]
    ) -> StreamFrameDocument:
        posed, tracked = done.value
        stages = stages_s(posed, queue_s=done.queue_s, total_s=done.queue_s + done.work_s)
        self._metrics.count_frame("stream", len(tracked), stages)
        size = posed.image.size
        return StreamFrameDocument(
            frame=frame.number,
            time_s=round_time(frame.time_s),
            image=ImageDocument(width=size.width, height=size.height),
            persons=tracked_documents(tracked, frame.options.min_keypoint_score or 0.0),
            dropped=self._dropped,
            timings_ms=timings_document(stages),
        )

    async def _send_problem(self, error: PoseError, number: int | None) -> None:
        self._metrics.count_rejection(kind_of(error).slug)
        problem = problem_of(error, self._request_id)
        document = StreamProblem(**problem.model_dump(), frame=number)
        await self._send(document.model_dump_json(exclude_none=True))

    async def _send(self, text: str) -> None:
        await self._websocket.send_text(text)


def _options_of(text: str) -> StreamOptions:
    """Options as a client sends them; what it leaves out is as it was at first."""
    if len(text) > _MAX_OPTIONS_CHARACTERS:
        raise InvalidInput(
            f"the options have {len(text)} characters; expected at most {_MAX_OPTIONS_CHARACTERS}"
        )
    try:
        return StreamOptions.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput(f"the options are not valid: {first_problem(error)}") from error
