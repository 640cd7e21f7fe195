"""The requests of a load, packed once: the generator only has to write them to a socket."""

import mimetypes
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from service.inference.errors import InvalidInput

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_BOUNDARY = "stance-bench-d1a40e8b7f4e8f"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        host, port: of the server.
        tls: None for plain HTTP.
        path: with the query.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    path: str


def parse_target(url: str, path: str) -> Target:
    """The server of a URL, and a path below the one that the URL names.

    Raises:
        InvalidInput: the URL has no host, or a scheme or port that cannot be used.
    """
    expected = "expected one like http://localhost:8000"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"url is {url!r}: {error}; {expected}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InvalidInput(f"url is {url!r}; {expected}")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    joined = parts.path.rstrip("/") + "/" + path.lstrip("/")
    return Target(parts.hostname, port or _PORTS[parts.scheme], tls, joined)


def find_pictures(places: Sequence[Path]) -> list[Path]:
    """The given files, and the JPEG, PNG, WebP and BMP files in the given folders, sorted.

    Raises:
        InvalidInput: a place does not exist, or there is no picture.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise InvalidInput(f"--images is {place}, which does not exist; expected pictures")
        if place.is_dir():
            found += sorted(path for path in place.iterdir() if path.suffix.lower() in _SUFFIXES)
        else:
            found.append(place)
    if not found:
        listed = ", ".join(map(str, places))
        raise InvalidInput(f"--images is {listed}, without any JPEG, PNG, WebP or BMP file")
    return found


def pack(target: Target, path: Path, headers: Sequence[str], form_field: str | None) -> bytes:
    """A whole POST request with a picture file as its body, or as a file of a multipart form.

    Args:
        target: where it will be sent.
        path: of the picture.
        headers: further ones, `Name: value`.
        form_field: the file's name in the form; None sends the bare file.
    """
    data = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if form_field is not None:
        disposition = f'form-data; name="{form_field}"; filename="{path.name}"'
        opening = (
            f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n"
            f"Content-Type: {media_type}\r\n\r\n"
        )
        data = opening.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
        media_type = f"multipart/form-data; boundary={_BOUNDARY}"
    lines = (
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.host}:{target.port}",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(data)}",
        *headers,
    )
    return "\r\n".join([*lines, "", ""]).encode() + data
