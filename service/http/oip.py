"""`POST /v2/models/{name}/infer`: tensors in, tensors out."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Header, Request
from starlette.responses import Response

from service.http.deadline import RequestTimeout, in_time, ticket_of, watch_client
from service.http.metrics import Metrics
from service.http.oip_work import OipWork
from service.http.uploads import read_body
from service.oip.answer import Body, answer_body
from service.oip.compression import decompressed
from service.oip.errors import InvalidRequest
from service.oip.models import find_model
from service.oip.request import Asked, parse_request
from service.oip.wire import TIMEOUT
from service.runtime.runtime import Runtime
from service.runtime.ticket import Ticket
from service.settings import Settings

HEADER_LENGTH = "Inference-Header-Content-Length"
_JSON, _BINARY = "application/json", "application/octet-stream"
# Parsing so little takes less time than handing it to a thread.
_PARSED_AT_ONCE_BYTES = 8 * 1024
_US_PER_S = 1e6

HeaderLength = Annotated[
    int | None,
    Header(
        alias=HEADER_LENGTH,
        ge=0,
        description="Bytes of JSON before the inputs' binary data; 0 if the body is nothing but "
        "the one input.",
    ),
]


class Infer:
    """The endpoint: reads on the event loop, parses and works in threads, answers.

    Args:
        settings: limits on the request and the time.
        runtime: admits and works.
        metrics: counts.
    """

    def __init__(self, settings: Settings, runtime: Runtime, metrics: Metrics) -> None:
        self._settings = settings
        self._runtime = runtime
        self._work = OipWork(settings, runtime, metrics)

    async def infer(
        self,
        request: Request,
        name: str,
        json_bytes: HeaderLength = None,
        x_request_timeout: RequestTimeout = None,
    ) -> Response:
        """Asks a pipeline, or the newest version of a network."""
        ticket = self._ticket(x_request_timeout)
        return _response(await self._infer(request, name, None, json_bytes, ticket))

    async def infer_version(
        self,
        request: Request,
        name: str,
        version: str,
        json_bytes: HeaderLength = None,
        x_request_timeout: RequestTimeout = None,
    ) -> Response:
        """Asks a network."""
        ticket = self._ticket(x_request_timeout)
        return _response(await self._infer(request, name, version, json_bytes, ticket))

    def _ticket(self, timeout_s: float | None) -> Ticket:
        return ticket_of(self._settings.request_timeout_s, timeout_s)

    async def _infer(
        self,
        request: Request,
        name: str,
        version: str | None,
        json_bytes: int | None,
        ticket: Ticket,
    ) -> Body:
        with self._runtime.admit():
            model = find_model(self._runtime.pipelines.estimators, name, version)
            async with in_time(ticket):
                body = await read_body(
                    request,
                    max_bytes=self._settings.max_batch_bytes,
                    timeout_s=self._settings.upload_timeout_s,
                    min_bytes_per_s=self._settings.min_upload_bytes_per_s,
                )
            async with watch_client(request, ticket):
                asked = _hurry(ticket, await self._asked(request, body, json_bytes, ticket))
                wanted = asked.wanted([output.name for output in model.metadata().outputs])
                outputs = await self._work.run(model, asked, wanted, ticket)
        return answer_body(model, asked.id, outputs, wanted)

    async def _asked(
        self, request: Request, body: bytes, json_bytes: int | None, ticket: Ticket
    ) -> Asked:
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        work = partial(_parsed, body, encoding, json_bytes, self._settings)
        short = (len(body) if json_bytes is None else json_bytes) <= _PARSED_AT_ONCE_BYTES
        if short and encoding == "identity":
            return work()
        return (await self._runtime.workers.run(work, ticket)).value


def _parsed(body: bytes, encoding: str, json_bytes: int | None, settings: Settings) -> Asked:
    plain = decompressed(body, encoding, settings.max_batch_bytes)
    return parse_request(plain, json_bytes, max_json_bytes=settings.max_json_bytes)


def _hurry(ticket: Ticket, asked: Asked) -> Asked:
    """Heeds the time that a request may itself name, in Triton's microseconds."""
    if TIMEOUT not in asked.parameters:
        return asked
    parameters = dict(asked.parameters)
    timeout_us = parameters.pop(TIMEOUT)
    if type(timeout_us) is not int or timeout_us < 0:
        raise InvalidRequest(f"{TIMEOUT} is {timeout_us!r}; expected microseconds, at least 0")
    # To Triton 0 is no limit.
    if timeout_us > 0:
        ticket.hurry(timeout_us / _US_PER_S)
    return replace(asked, parameters=parameters)


def _response(body: Body) -> Response:
    if body.json_bytes is None:
        return Response(body.data, media_type=_JSON)
    headers = {HEADER_LENGTH: str(body.json_bytes)}
    return Response(body.data, media_type=_BINARY, headers=headers)
