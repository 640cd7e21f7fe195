"""HTTP/1.1 connections that cost little: the generator shares the machine with what it measures."""

import asyncio
import json
from dataclasses import dataclass
from typing import cast

import httptools

from service.bench.requests import Target

_LONGEST_IDLE_S = 1.0
"""Servers close idle connections; a request that meets the closing would look like a failure."""
_PROBLEM = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: its status, and of a problem document the last part of its type."""

    status: int
    problem: str | None


class Connections:
    """Connections to one server, opened as they are needed and used again.

    Args:
        target: the server.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._idle: list[_Connection] = []

    async def ask(self, request: bytes) -> Answer:
        """Sends a request and waits for its answer.

        Raises:
            OSError: there is no connection, or it broke.
        """
        connection = self._take() or await self._open()
        try:
            answer = await connection.ask(request)
        except BaseException:
            # Also when the caller gave up: the answer that may still come is of no use.
            connection.close()
            raise
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Closes the idle connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _take(self) -> "_Connection | None":
        """The one that was used last, if it is fresh; older ones are even less so."""
        if self._idle and self._idle[-1].fresh:
            return self._idle.pop()
        self.close()
        return None

    async def _open(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        target = self._target
        _, connection = await loop.create_connection(
            lambda: _Connection(loop), target.host, target.port, ssl=target.tls
        )
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time; the callbacks `on_…` are httptools'."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._used_s = loop.time()
        self.reusable = False

    @property
    def fresh(self) -> bool:
        return self.reusable and self._loop.time() - self._used_s < _LONGEST_IDLE_S

    async def ask(self, request: bytes) -> Answer:
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.reusable = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"no HTTP answer: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail(exc or ConnectionResetError("connection closed"))

    def on_message_begin(self) -> None:
        self._is_problem = False
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self._is_problem = value.startswith(_PROBLEM)

    def on_body(self, body: bytes) -> None:
        if self._is_problem:
            self._body += body

    def on_message_complete(self) -> None:
        self.reusable = self._parser.should_keep_alive()
        self._used_s = self._loop.time()
        problem = _slug(self._body) if self._is_problem else None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), problem))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _slug(body: bytes) -> str | None:
    """`overloaded` of a document of type `urn:stance:problem:overloaded`."""
    try:
        kind = json.loads(body)["type"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(kind).rpartition(":")[2]
