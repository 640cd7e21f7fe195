"""Clients of the service, for threads and for asyncio.

```python
with Client("http://localhost:8000") as client:
    for person in client.predict(Path("photo.jpg"), max_persons=5).persons:
        print(person.score, person.keypoints[0])
```

Both try again what may succeed later: a service that is busy or starting, after the time it asks
for, and a connection that broke. Whatever else goes wrong is an exception whose message says what
to change.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from service import client_calls as calls
from service import client_video as videos
from service.client_calls import BatchOptions, Call, DrawingType, PictureSource, PredictOptions
from service.client_flow import (
    Outcome,
    StanceProblem,
    UnexpectedAnswer,
    Unreachable,
)
from service.client_video import AsyncFileBody, FileBody, VideoOptions, VideoSource
from service.http.schemas import (
    BatchItemDocument,
    CocoDocument,
    LiveDocument,
    ModelsDocument,
    PredictionDocument,
    ReadyDocument,
)
from service.http.video_schemas import VideoFrameDocument

__all__ = [
    "AsyncClient",
    "BatchOptions",
    "Client",
    "PictureSource",
    "PredictOptions",
    "StanceProblem",
    "UnexpectedAnswer",
    "Unreachable",
    "VideoOptions",
    "VideoSource",
]

T = TypeVar("T")

_BUDGET_S = 30.0
_ANSWER_TIMEOUT_S = 60.0


class Client:
    """A client that blocks; may be used by many threads at once, closed when it is left.

    Every method raises `StanceProblem` when the service refuses, `Unreachable` when no answer comes
    and `UnexpectedAnswer` when something else seems to answer.

    Args:
        url: of the service, e.g. `http://localhost:8000`.
        api_key: sent with every request, where the service asks for one.
        budget_s: seconds in which one call may try again; 0 tries once.
        answer_timeout_s: longest silence while an answer is waited for.
        transport: for connections that httpx does not make by itself.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        budget_s: float = _BUDGET_S,
        answer_timeout_s: float = _ANSWER_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._budget_s = budget_s
        self._http = httpx.Client(
            base_url=url,
            headers=_authorization(api_key),
            timeout=answer_timeout_s,
            transport=transport,
        )

    def predict(
        self, picture: PictureSource, **options: Unpack[PredictOptions]
    ) -> PredictionDocument:
        """People in a picture with their named joints, in pixels of the upright picture."""
        return self._result(calls.predict(calls.picture_bytes(picture), options))

    def predict_coco(
        self, picture: PictureSource, **options: Unpack[PredictOptions]
    ) -> list[CocoDocument]:
        """People in a picture as COCO keypoint results."""
        return self._result(calls.predict_coco(calls.picture_bytes(picture), options))

    def predict_image(
        self,
        picture: PictureSource,
        media_type: DrawingType = "image/png",
        **options: Unpack[PredictOptions],
    ) -> bytes:
        """The upright picture with the people drawn into it, as a file."""
        return self._result(calls.predict_image(calls.picture_bytes(picture), options, media_type))

    def predict_batch(
        self, pictures: Sequence[PictureSource], **options: Unpack[BatchOptions]
    ) -> list[BatchItemDocument]:
        """For each picture, in order, a prediction or the problem with it."""
        data = [calls.picture_bytes(picture) for picture in pictures]
        return self._result(calls.predict_batch(data, options))

    def stream_batch(
        self, pictures: Sequence[PictureSource], **options: Unpack[BatchOptions]
    ) -> Generator[BatchItemDocument]:
        """As `predict_batch`, but each result as soon as it is ready, in any order."""
        data = [calls.picture_bytes(picture) for picture in pictures]
        call = calls.predict_batch(data, options, as_lines=True)
        answer = self._answer(call, streamed=True)
        received = 0
        try:
            for line in answer.iter_lines():
                received += 1
                yield calls.read_line(line)
        except httpx.TransportError as error:
            raise calls.ended_early(received, len(data)) from error
        finally:
            answer.close()

    def predict_video(
        self, video: VideoSource, **options: Unpack[VideoOptions]
    ) -> Generator[VideoFrameDocument]:
        """The frames of a video file with their people, each as soon as it is done."""
        answer = self._answer(videos.predict_video(video, options, FileBody), streamed=True)
        lines = videos.Lines()
        try:
            for text in answer.iter_lines():
                frame = lines.frame(text)
                if frame is not None:
                    yield frame
        except httpx.TransportError as error:
            raise lines.ended_early() from error
        finally:
            answer.close()
        lines.check_complete()

    def live(self) -> LiveDocument:
        """Whether the process answers; asked once."""
        return self._result(calls.live())

    def ready(self, patience_s: float = 0.0) -> ReadyDocument:
        """What runs, once the service takes requests; asked once, or for so many seconds."""
        return self._result(calls.ready(patience_s))

    def models(self) -> ModelsDocument:
        """The loaded pipelines, and the cards of their networks."""
        return self._result(calls.models())

    def load(self, pipeline: str) -> ModelsDocument:
        """Opens a pipeline, or its newest version; needs an admin key."""
        return self._result(calls.load(pipeline))

    def unload(self, pipeline: str) -> ModelsDocument:
        """Closes a pipeline; needs an admin key."""
        return self._result(calls.unload(pipeline))

    def metrics(self) -> str:
        """What the service counts, in Prometheus's text format."""
        return self._result(calls.metrics())

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _result(self, call: Call[T]) -> T:
        return call.read(self._answer(call))

    def _answer(self, call: Call[T], *, streamed: bool = False) -> httpx.Response:
        flow = call.attempts(self._http, self._budget_s)
        step = next(flow)
        while True:
            try:
                if isinstance(step, httpx.Request):
                    step = flow.send(self._outcome(step, streamed=streamed))
                else:
                    time.sleep(step)
                    step = next(flow)
            except StopIteration as final:
                return final.value

    def _outcome(self, request: httpx.Request, *, streamed: bool) -> Outcome:
        try:
            answer = self._http.send(request, stream=streamed)
            if not answer.is_success:
                answer.read()
        except httpx.TransportError as error:
            return error
        return answer


class AsyncClient:
    """As `Client`, for asyncio.

    Args:
        url: of the service, e.g. `http://localhost:8000`.
        api_key: sent with every request, where the service asks for one.
        budget_s: seconds in which one call may try again; 0 tries once.
        answer_timeout_s: longest silence while an answer is waited for.
        transport: for connections that httpx does not make by itself.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        budget_s: float = _BUDGET_S,
        answer_timeout_s: float = _ANSWER_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._budget_s = budget_s
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=_authorization(api_key),
            timeout=answer_timeout_s,
            transport=transport,
        )

    async def predict(
        self, picture: PictureSource, **options: Unpack[PredictOptions]
    ) -> PredictionDocument:
        """People in a picture with their named joints, in pixels of the upright picture."""
        return await self._result(calls.predict(await _picture_bytes(picture), options))

    async def predict_coco(
        self, picture: PictureSource, **options: Unpack[PredictOptions]
    ) -> list[CocoDocument]:
        """People in a picture as COCO keypoint results."""
        return await self._result(calls.predict_coco(await _picture_bytes(picture), options))

    async def predict_image(
        self,
        picture: PictureSource,
        media_type: DrawingType = "image/png",
        **options: Unpack[PredictOptions],
    ) -> bytes:
        """The upright picture with the people drawn into it, as a file."""
        data = await _picture_bytes(picture)
        return await self._result(calls.predict_image(data, options, media_type))

    async def predict_batch(
        self, pictures: Sequence[PictureSource], **options: Unpack[BatchOptions]
    ) -> list[BatchItemDocument]:
        """For each picture, in order, a prediction or the problem with it."""
        data = await asyncio.gather(*map(_picture_bytes, pictures))
        return await self._result(calls.predict_batch(data, options))

    async def stream_batch(
        self, pictures: Sequence[PictureSource], **options: Unpack[BatchOptions]
    ) -> AsyncGenerator[BatchItemDocument]:
        """As `predict_batch`, but each result as soon as it is ready, in any order."""
        data = await asyncio.gather(*map(_picture_bytes, pictures))
        call = calls.predict_batch(data, options, as_lines=True)
        answer = await self._answer(call, streamed=True)
        received = 0
        try:
            async for line in answer.aiter_lines():
                received += 1
                yield calls.read_line(line)
        except httpx.TransportError as error:
            raise calls.ended_early(received, len(data)) from error
        finally:
            await answer.aclose()

    async def predict_video(
        self, video: VideoSource, **options: Unpack[VideoOptions]
    ) -> AsyncGenerator[VideoFrameDocument]:
        """The frames of a video file with their people, each as soon as it is done."""
        call = videos.predict_video(video, options, AsyncFileBody)
        answer = await self._answer(call, streamed=True)
        lines = videos.Lines()
        try:
            async for text in answer.aiter_lines():
                frame = lines.frame(text)
                if frame is not None:
                    yield frame
        except httpx.TransportError as error:
            raise lines.ended_early() from error
        finally:
            await answer.aclose()
        lines.check_complete()

    async def live(self) -> LiveDocument:
        """Whether the process answers; asked once."""
        return await self._result(calls.live())

    async def ready(self, patience_s: float = 0.0) -> ReadyDocument:
        """What runs, once the service takes requests; asked once, or for so many seconds."""
        return await self._result(calls.ready(patience_s))

    async def models(self) -> ModelsDocument:
        """The loaded pipelines, and the cards of their networks."""
        return await self._result(calls.models())

    async def load(self, pipeline: str) -> ModelsDocument:
        """Opens a pipeline, or its newest version; needs an admin key."""
        return await self._result(calls.load(pipeline))

    async def unload(self, pipeline: str) -> ModelsDocument:
        """Closes a pipeline; needs an admin key."""
        return await self._result(calls.unload(pipeline))

    async def metrics(self) -> str:
        """What the service counts, in Prometheus's text format."""
        return await self._result(calls.metrics())

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _result(self, call: Call[T]) -> T:
        return call.read(await self._answer(call))

    async def _answer(self, call: Call[T], *, streamed: bool = False) -> httpx.Response:
        flow = call.attempts(self._http, self._budget_s)
        step = next(flow)
        while True:
            try:
                if isinstance(step, httpx.Request):
                    step = flow.send(await self._outcome(step, streamed=streamed))
                else:
                    await asyncio.sleep(step)
                    step = next(flow)
            except StopIteration as final:
                return final.value

    async def _outcome(self, request: httpx.Request, *, streamed: bool) -> Outcome:
        try:
            answer = await self._http.send(request, stream=streamed)
            if not answer.is_success:
                await answer.aread()
        except httpx.TransportError as error:
            return error
        return answer


async def _picture_bytes(source: PictureSource) -> bytes:
    """In a thread: reading a file or packing pixels would hold up every other request."""
    if isinstance(source, bytes):
        return source
    return await asyncio.to_thread(calls.picture_bytes, source)


def _authorization(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
