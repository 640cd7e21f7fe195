"""What a connection may cost before a request of it reaches the application."""

import sys
from dataclasses import dataclass

from starlette.types import Scope

from service.inference.errors import InvalidInput, Overloaded, PoseError
from service.settings import Settings

_CROWDED = "crowded"
_OTHER_FILES = 64
"""Files that the process holds open beside its connections: libraries, logs, models."""


class HeadTooLarge(PoseError):
    """A request's head, or what follows its body, exceeds the limit."""


class UrlTooLong(PoseError):
    """A request's address exceeds the limit."""


class HeadTimeout(PoseError):
    """A client did not send its request's head in time."""


class TooManyConnections(Overloaded):
    """Every connection that may be open is busy."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on one connection, and on their number.

    Attributes:
        head_bytes: of method, address and headers; also of a chunked body's framing and trailer.
        url_bytes: of the address.
        head_s: from the connection or the head's first byte to its end.
        body_s: from the head's end to the body's; also how long the rest of an answered request's
            body is thrown away, and how long a client may take none of its answer.
        keep_alive_s: between an answer and the next request's first byte.
        connections: open ones.
    """

    head_bytes: int
    url_bytes: int
    head_s: float
    body_s: float
    keep_alive_s: int
    connections: int


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The limits that the settings name.

    Raises:
        InvalidInput: the process may not open as many files as connections are allowed.
    """
    files = _file_limit()
    if files is not None and settings.max_connections + _OTHER_FILES > files:
        raise InvalidInput(
            f"max_connections is {settings.max_connections}, expected at most "
            f"{files - _OTHER_FILES}: this process may open {files} files (ulimit -n)"
        )
    return ConnectionLimits(
        head_bytes=settings.max_header_bytes,
        url_bytes=settings.max_url_bytes,
        head_s=settings.header_timeout_s,
        body_s=settings.upload_timeout_s,
        keep_alive_s=settings.keep_alive_timeout_s,
        connections=settings.max_connections,
    )


def mark_crowded(scope: Scope) -> None:
    """Notes that a request's connection is one too many."""
    scope["state"][_CROWDED] = True


def is_crowded(scope: Scope) -> bool:
    """Whether a request's connection is one too many."""
    return _CROWDED in scope.get("state", {})


def _file_limit() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit
