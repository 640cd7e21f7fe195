"""Headers of every answer: what browsers may do with it, and who may read it from a page."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADER_LENGTH = "Inference-Header-Content-Length"
EXPOSED = ("X-Request-Id", "Server-Timing", "Retry-After", "WWW-Authenticate", _HEADER_LENGTH)
"""What a page of another origin may read beside the answer."""
TAKEN = (
    *("Authorization", "X-API-Key", "X-Request-Id", "X-Request-Timeout", "traceparent"),
    _HEADER_LENGTH,
)
"""What a page of another origin may send beside the body."""

_NOTHING = b"default-src 'none'; frame-ancestors 'none'"
_DOCS = (
    b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    b"connect-src 'self'; img-src 'self' data: https://fastapi.tiangolo.com; "
    b"script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net"
)
"""What FastAPI's pages load; the page at `/` brings a policy of its own."""
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
PLAIN_HEADERS = (
    *_ALWAYS,
    (b"content-security-policy", _NOTHING),
    (b"cache-control", b"no-store"),
)
"""Of an answer that is no page."""


class SecureHeaders:
    """Adds the headers that keep browsers from guessing, framing, leaking and storing answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _add(message: Message) -> None:
    headers = MutableHeaders(raw=list(message.get("headers", ())))
    docs = headers.get("content-type", "").startswith("text/html")
    cached, has_policy = "cache-control" in headers, "content-security-policy" in headers
    headers.raw.extend(_ALWAYS)
    if not has_policy:
        headers.raw.append((b"content-security-policy", _DOCS if docs else _NOTHING))
    if not cached:
        headers.raw.append((b"cache-control", b"no-store"))
    message["headers"] = headers.raw
