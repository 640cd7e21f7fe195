"""Answers of which each line is sent as soon as it is ready (NDJSON)."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

NDJSON = "application/x-ndjson"


class Lines(StreamingResponse):
    """Lines of JSON; what the request holds is freed with the last one.

    A line is asked for only when the one before has been taken: whoever makes them is never ahead
    of a client that reads slowly.

    Args:
        lines: each with its line break.
        held: closed once everything is sent or the client has left.
    """

    def __init__(self, lines: AsyncGenerator[str], held: ExitStack) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._lines = lines
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            async with aclosing(self._lines):
                await super().__call__(scope, receive, send)
