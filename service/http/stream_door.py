"""Who may open a stream: whose page asks, with which key, and where there is room.

A browser lets any page open a WebSocket to anywhere and cannot set headers on it. So the origin is
checked here, and the key may also come as a subprotocol: unlike the address, it is in no log.
"""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from service.http.keys import Forbidden, Keys, Unauthorized, check_key, key_of
from service.inference.errors import PoseError, ShuttingDown

STREAM_PATH = "/stream"
PROTOCOL = "stance.v1"
KEY_PROTOCOL = "stance.key."
"""Followed by the key in base64url without padding."""
NORMAL, GOING_AWAY, POLICY, TRY_AGAIN_LATER = 1000, 1001, 1008, 1013
"""Codes of closing (RFC 6455, section 7.4.1, and IANA's registry)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def protocol_of(scope: Scope) -> str | None:
    """The subprotocol to answer with: never the one that holds the key."""
    return PROTOCOL if PROTOCOL in scope["subprotocols"] else None


def require_stream_key(keys: Keys, scope: Scope) -> None:
    """Lets a stream be opened that has a key, where one is needed.

    Raises:
        Unauthorized: it has none, or one that is not known.
    """
    if keys.required:
        key = key_of(scope)
        check_key(keys, _key_protocol(scope["subprotocols"]) if key is None else key)


def require_origin(scope: Scope, allowed: Sequence[str]) -> None:
    """Lets a page open a stream that comes from the service itself, or is allowed to ask.

    Programs send no origin.

    Args:
        scope: of the stream.
        allowed: origins, as `cors_origins` names them.

    Raises:
        Forbidden: the page is of another origin.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed:
        return
    if origin != "null" and _is_same(origin, headers.get("host", "")):
        return
    raise Forbidden(
        f"pages of {origin!r} may not open a stream; expected one of this service, or an origin "
        "that POSE_CORS_ORIGINS names"
    )


def closing_code(error: PoseError) -> int:
    """The code that tells a client why its stream is not opened."""
    match error:
        case ShuttingDown():
            return GOING_AWAY
        case Forbidden() | Unauthorized():
            return POLICY
        case _:
            return TRY_AGAIN_LATER


def _key_protocol(protocols: Sequence[str]) -> bytes | None:
    given = next((one for one in protocols if one.startswith(KEY_PROTOCOL)), None)
    if given is None:
        return None
    text = given.removeprefix(KEY_PROTOCOL)
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _is_same(origin: str, host: str) -> bool:
    """Whether an origin is that of the address that was asked.

    Behind a proxy that ends TLS the schemes differ, so only host and port count.
    """
    try:
        page = urlsplit(origin)
        default = _DEFAULT_PORTS.get(page.scheme)
        asked = urlsplit(f"//{host}")
        return (page.hostname, page.port or default) == (asked.hostname, asked.port or default)
    except ValueError:
        return False
