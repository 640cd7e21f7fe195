"""uvicorn's connection, with limits on what a client may send, hold open and leave unread.

What a request costs once it has a complete head is limited in the application. Here is what the
application cannot see: heads, connections and answers that never end. `expire` judges by the time
that a connection has been in its present state, so that no request pays for timers.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import httptools
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from service.http import problems
from service.http.headers import PLAIN_HEADERS
from service.http.limits import (
    ConnectionLimits,
    HeadTimeout,
    HeadTooLarge,
    UrlTooLong,
    mark_crowded,
)
from service.http.middleware import REQUEST_ID
from service.http.problems import MalformedRequest, UploadTimeout
from service.http.schemas import Problem
from service.http.stream_door import STREAM_PATH
from service.inference.errors import PoseError

_MAX_PIPELINED = 16
_IDLE_S = 1.0
_BODY_SLACK_S = 2.0
"""The application's own limit on an upload, whose answer says more, comes first."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        config: uvicorn's.
        server_state: uvicorn's, with all connections.
        app_state: uvicorn's.
        limits: on this connection and on their number.
        refused: told the problem of each request that never reaches the application.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        refused: Callable[[Problem], None],
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = limits.keep_alive_s
        self._limits = limits
        self._tell = refused
        self._crowded = False
        self._since = self.loop.time()
        self._in_head = False
        self._head_bytes = 0
        # Received of late beside heads that are complete and bodies.
        self._framing = 0
        self._unsent, self._sending_since = 0, 0.0
        # Nothing more is made of what comes; then, no more is said either.
        self._refused = self._hung_up = False

    @property
    def busy(self) -> bool:
        """Whether a request is at work; otherwise it is the client's turn."""
        return bool(self.cycle) and not (self.cycle.response_complete or self._hung_up)

    @property
    def idle(self) -> bool:
        """Whether nothing was at work for a while; what has just been sent may not be read yet."""
        waited_s = self.loop.time() - self._since
        return waited_s >= _IDLE_S and not (self.busy or self.is_closing())

    @property
    def _opens_stream(self) -> bool:
        """Whether the request at hand makes the connection a WebSocket.

        One that comes while others are being answered, or one too many, does not.
        """
        path = self.url.partition(b"?")[0]
        return (
            self.parser.should_upgrade()
            and path.endswith(STREAM_PATH.encode())
            and self.parser.get_method() == b"GET"
            and self._should_upgrade()
            and not (self.busy or self._crowded)
        )

    @property
    def _uploading(self) -> bool:
        return bool(self.cycle) and self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if len(self.connections) <= self._limits.connections:
            return
        others = [each for each in self.connections if isinstance(each, LimitedProtocol)]
        streams = len(self.connections) - len(others)
        surplus = sum(not each.is_closing() for each in others) + streams
        surplus -= self._limits.connections
        idle = sorted((each for each in others if each.idle), key=lambda each: each._since)
        for each in idle[: max(0, surplus)]:
            each.transport.abort()
        self._crowded = surplus > len(idle)

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def hang_up(self) -> None:
        """Says that no more comes, and closes once the client has sent all it wants.

        A socket that is closed with unread bytes is reset, and the client loses its answer.
        """
        unread = self._refused or self._uploading
        if unread and self.transport.can_write_eof() and not self.is_closing():
            self._refused = self._hung_up = True
            self._since = self.loop.time()
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._framing += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(
                cause
                if isinstance(cause, PoseError)
                else MalformedRequest(f"what was sent is no HTTP/1.1 request: {error}")
            )
            return
        except httptools.HttpParserUpgrade as upgrade:
            if self._opens_stream:
                self.handle_websocket_upgrade()
            else:
                self._decline_upgrade(data[cast("int", upgrade.args[0]) :])
            return
        if self._framing > self._limits.head_bytes:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise MalformedRequest(
                f"more than {_MAX_PIPELINED} requests were sent before their answers, "
                "expected fewer"
            )
        super().on_message_begin()
        if self._crowded:
            mark_crowded(cast("Scope", self.scope))
        self._in_head, self._head_bytes, self._since = True, 0, self.loop.time()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            raise UrlTooLong(
                f"the address has more than {self._limits.url_bytes} bytes; expected at most that"
            )
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        # What follows a chunked body looks like a header too, but nobody has checked it.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._framing, self._since = False, 0, self.loop.time()
        if self.parser.get_method() == b"CONNECT":
            raise MalformedRequest("the method is CONNECT; expected another one: this is no proxy")
        if self._opens_stream:
            # Only notes the method: the rest is the business of the protocol that takes over.
            super().on_headers_complete()
        elif not self.parser.should_upgrade():
            super().on_headers_complete()
            self.cycle.transport = _Answering(self)

    def on_body(self, body: bytes) -> None:
        # A quarter of the body may be framing: chunks of a byte each would keep the server busy.
        self._framing = max(0, self._framing - len(body) * 5 // 4)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._framing = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()
        if self._uploading and self.expect_100_continue:
            # Nobody knows whether the body still comes: what comes next may be another request.
            self.hang_up()

    def shutdown(self) -> None:
        if self._hung_up:
            self.transport.close()
        else:
            super().shutdown()

    def expire(self, now: float) -> None:
        """Ends the connection if its client keeps it waiting; to be called every now and then.

        Args:
            now: the event loop's time in seconds.
        """
        waited_s = now - self._since
        if self._sends_in_vain(now) or (self._hung_up and waited_s > self._limits.body_s):
            self.transport.abort()
        elif self._hung_up or self.is_closing():
            return
        elif self.busy:
            overdue = waited_s > self._limits.body_s + _BODY_SLACK_S
            if overdue and self._uploading and not self.flow.read_paused:
                limit = f"{self._limits.body_s:g} s"
                self._refuse(UploadTimeout(f"the body was not complete; expected it in {limit}"))
        elif self._uploading:
            # Answered without its body, which is read only for the answer to arrive.
            if waited_s > self._limits.body_s:
                self.transport.abort()
        elif waited_s > self._limits.head_s:
            self._end_of_patience()

    def _count(self, received: int) -> None:
        self._head_bytes += received
        if self._head_bytes > self._limits.head_bytes:
            raise self._too_large()

    def _too_large(self) -> HeadTooLarge:
        return HeadTooLarge(
            f"the head or the framing of the body has more than {self._limits.head_bytes} bytes; "
            "expected at most that"
        )

    def _decline_upgrade(self, rest: bytes) -> None:
        """Goes on in HTTP/1.1, as a server may.

        The parser has skipped the body, which Java's client, among others, sends along.
        """
        target = self.parser.get_method() + b" " + self.url
        head = [target + b" HTTP/" + self.parser.get_http_version().encode()]
        head += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def _end_of_patience(self) -> None:
        if self._in_head:
            limit = f"{self._limits.head_s:g} s"
            self._refuse(HeadTimeout(f"the head was not complete; expected it within {limit}"))
        elif self.timeout_keep_alive_task is None:
            # Nothing was ever sent, or nothing but empty lines.
            self.transport.close()

    def _sends_in_vain(self, now: float) -> bool:
        """Whether the client has taken nothing of its answer for too long."""
        unsent = self.transport.get_write_buffer_size()
        if 0 in (unsent, self._unsent) or unsent < self._unsent:
            self._sending_since = now
        self._unsent = unsent
        return unsent > 0 and now - self._sending_since > self._limits.body_s

    def _refuse(self, error: PoseError) -> None:
        """Answers what never reaches the application, and makes nothing more of what comes."""
        self._refused, self._since = True, self.loop.time()
        document = problems.document_of(problems.kind_of(error), str(error), uuid.uuid4().hex)
        self._tell(document)
        if self.busy and not self._uploading:
            # Sent behind requests that are at work: those are answered, this one is not.
            self.cycle.keep_alive = False
            return
        too_late = self._uploading and (self.cycle.response_started or bool(self.pipeline))
        if self.busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (too_late or self.is_closing()):
            dated = self.server_state.default_headers
            self.transport.write(_response(document, problems.headers_of(error), dated))
        self.hang_up()


class _Answering(asyncio.Transport):
    """What a request's answer is written to; closing it waits for the client."""

    def __init__(self, connection: LimitedProtocol) -> None:
        super().__init__()
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        return self._connection.is_closing()

    def close(self) -> None:
        self._connection.hang_up()


def _response(
    document: Problem, headers: Mapping[str, str], more: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """A whole answer that ends its connection."""
    body = document.model_dump_json().encode()
    fields = {
        "content-type": problems.MEDIA_TYPE,
        "content-length": str(len(body)),
        "connection": "close",
        REQUEST_ID.lower(): document.instance,
        **headers,
    }
    lines = [f"{name}: {value}\r\n".encode() for name, value in fields.items()]
    lines += [name + b": " + value + b"\r\n" for name, value in (*more, *PLAIN_HEADERS)]
    return b"".join([STATUS_LINE[document.status], *lines, b"\r\n", body])
