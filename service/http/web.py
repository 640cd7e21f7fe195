"""The page that a person opens, and the files that it loads."""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from service.http.negotiation import accepts_gzip

HOME = "/"
FOLDER = Path(__file__).parents[1] / "web"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What the page may do: nothing with any other host, and no script or style inside the HTML."""
_HOME_FILE = "index.html"
_TEXT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PICTURE_TYPES = {".jpg": "image/jpeg"}
# A release changes the files and not their names, so browsers ask whether theirs is the newest.
_CACHE_CONTROL = "no-cache"


@dataclass(frozen=True, slots=True, repr=False)
class Variant:
    """A file's bytes in one encoding, and the tag that tells these from others."""

    content: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes) -> "Variant":
        return cls(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file in memory.

    Attributes:
        path: that it is asked for by.
        media_type: of the content.
        plain: the content.
        packed: the same by gzip; None where that gains nothing.
    """

    path: str
    media_type: str
    plain: Variant
    packed: Variant | None

    async def respond(self, request: Request) -> Response:
        """The file, or 304 where the client has it already."""
        headers = {"Cache-Control": _CACHE_CONTROL}
        # Also on a 304, whose headers replace those that the browser has stored.
        if self.path == HOME:
            headers["Content-Security-Policy"] = CONTENT_POLICY
        variant = self.plain
        if self.packed is not None:
            headers["Vary"] = "Accept-Encoding"
            if accepts_gzip(request.headers.get("accept-encoding", "")):
                variant = self.packed
        headers["ETag"] = variant.tag
        if _names(request.headers.get("if-none-match", ""), variant.tag):
            return Response(status_code=304, headers=headers)
        if variant is self.packed:
            headers["Content-Encoding"] = "gzip"
        return Response(variant.content, headers=headers, media_type=self.media_type)


def read_files(folder: Path = FOLDER) -> tuple[WebFile, ...]:
    """All files of the page; what has another ending is none of them."""
    return tuple(
        _read(path)
        for path in sorted(folder.iterdir())
        if path.suffix in _TEXT_TYPES or path.suffix in _PICTURE_TYPES
    )


def install(app: FastAPI, files: Iterable[WebFile]) -> None:
    """Adds one route for each file, so that nothing else can be reached."""
    for file in files:
        app.add_api_route(file.path, file.respond, methods=["GET", "HEAD"], include_in_schema=False)


def _read(path: Path) -> WebFile:
    where = HOME if path.name == _HOME_FILE else f"/web/{path.name}"
    content = path.read_bytes()
    plain = Variant.of(content)
    if path.suffix in _PICTURE_TYPES:
        return WebFile(where, _PICTURE_TYPES[path.suffix], plain, None)
    # Without a time, so that every process has the same tag.
    packed = Variant.of(gzip.compress(content, mtime=0))
    return WebFile(where, _TEXT_TYPES[path.suffix], plain, packed)


def _names(if_none_match: str, tag: str) -> bool:
    """Whether a client's list names a tag, weak or not (RFC 9110, section 13.1.2)."""
    tags = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in tags or tag in tags
