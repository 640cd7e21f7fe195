"""How long a client waits: the time that it grants, and that it may leave before."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from service.runtime.ticket import Ticket

RequestTimeout = Annotated[
    float | None,
    Header(
        alias="X-Request-Timeout",
        gt=0,
        allow_inf_nan=False,
        description="Seconds after which the answer is of no use; it is then 504, and what has not "
        "begun is not done.",
    ),
]


def ticket_of(limit_s: float, asked_s: float | None) -> Ticket:
    """A ticket for as long as the service allows and the client asks for."""
    return Ticket(limit_s if asked_s is None else min(limit_s, asked_s))


@asynccontextmanager
async def in_time(ticket: Ticket) -> AsyncGenerator[None]:
    """Ends what is awaited in the block, as an upload, at the request's deadline.

    Raises:
        DeadlinePassed: that has come.
    """
    try:
        async with asyncio.timeout(ticket.remaining_s):
            yield
    except TimeoutError as error:
        raise ticket.passed() from error


@asynccontextmanager
async def watch_client(request: Request, ticket: Ticket) -> AsyncGenerator[None]:
    """Cancels the ticket when the client closes the connection within the block.

    Args:
        request: whose body has been read: what comes next can only be the end.
        ticket: of the request.
    """
    watcher = asyncio.create_task(_cancel_when_gone(request, ticket))
    try:
        yield
    finally:
        watcher.cancel()


async def _cancel_when_gone(request: Request, ticket: Ticket) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    ticket.cancel()
