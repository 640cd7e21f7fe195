"""API keys: who may ask, and who may change what is loaded."""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import structlog
from fastapi import Request
from pydantic import SecretStr
from starlette.types import Scope

from service.inference.errors import InvalidInput, PoseError
from service.settings import ENV_PREFIX, Settings

MIN_KEY_LENGTH = 16
HEADER = "X-API-Key"
_SCHEME = b"bearer "
_PLAIN = re.compile(r"[!-+\--~]+")
"""Visible ASCII; no comma, which stands between keys."""
_REREAD_S = 1.0


class Unauthorized(PoseError):
    """The request has no key, or one that is not known."""


class Forbidden(PoseError):
    """The request's key does not allow what it asks for."""


class Role(Enum):
    """What a key allows: asking, or also changing what is loaded."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class _Source:
    """A setting with keys, and one with a file of them.

    Attributes:
        field: name of the first setting; the file's ends in `_file`.
    """

    role: Role
    field: str
    given: SecretStr | None
    path: Path | None

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.field.upper()

    def stamp(self) -> tuple[int, int, int] | None:
        """Changes when the file does; None without a file."""
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def read(self) -> Iterator[str]:
        """The keys of the setting and of the file.

        Raises:
            InvalidInput: the file cannot be read or names no key, or a key is too weak.
        """
        if self.given is not None:
            keys = [key.strip() for key in self.given.get_secret_value().split(",")]
            yield from _checked(enumerate(keys, 1), f"key {{}} of {self.variable}")
        if self.path is not None:
            keys = list(_lines(self.path, f"{self.variable}_FILE"))
            if not keys:
                raise InvalidInput(f"{self.variable}_FILE: {self.path} holds no key; expected some")
            yield from _checked(keys, f"{self.variable}_FILE: {self.path}, line {{}}")


class Keys:
    """The keys that the settings name; a file that changes is read again.

    Only digests are kept, so that neither a traceback nor a log line can show a key.

    Args:
        settings: with the keys or the files that hold them.

    Raises:
        InvalidInput: a file cannot be read or names no key, or a key is too weak.
    """

    def __init__(self, settings: Settings) -> None:
        self._sources = (
            _Source(Role.USER, "api_keys", settings.api_keys, settings.api_keys_file),
            # Last: a key of both lists is an admin's.
            _Source(Role.ADMIN, "admin_keys", settings.admin_keys, settings.admin_keys_file),
        )
        self._stamps = self._stamp()
        self._looked = time.monotonic()
        self._digests = self._read()

    @property
    def required(self) -> bool:
        """Whether a request needs a key at all."""
        return Role.USER in self._digests.values()

    @property
    def administered(self) -> bool:
        """Whether there is a key that allows to change what is loaded."""
        return Role.ADMIN in self._digests.values()

    def role(self, key: bytes | None) -> Role | None:
        """What a key allows; None for none and for one that is not known."""
        self._refresh()
        if key is None:
            return None
        digest, role = _digest(key), None
        for known, allowed in self._digests.items():
            # All are compared, each in constant time: the time tells nothing about a key.
            if hmac.compare_digest(digest, known):
                role = allowed
        return role

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < _REREAD_S:
            return
        self._looked = now
        stamps = self._stamp()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
        try:
            self._digests = self._read()
        except InvalidInput as error:
            logger.error("keys not read again; those known so far go on", reason=str(error))
        else:
            logger.info("keys read again", keys=len(self._digests))

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        return [source.stamp() for source in self._sources]

    def _read(self) -> dict[bytes, Role]:
        return {
            _digest(key.encode()): source.role for source in self._sources for key in source.read()
        }


def key_of(scope: Scope) -> bytes | None:
    """The key that a request carries: `X-API-Key`, otherwise `Authorization: Bearer`."""
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return value.strip()
        if name == b"authorization" and value[: len(_SCHEME)].lower() == _SCHEME:
            found = value[len(_SCHEME) :].strip()
    return found


def require_key(keys: Keys, scope: Scope) -> None:
    """Lets a request pass that has a key.

    Raises:
        Unauthorized: it has none, or one that is not known.
    """
    check_key(keys, key_of(scope))


def check_key(keys: Keys, key: bytes | None) -> None:
    """Returns if a key allows to ask.

    Raises:
        Unauthorized: it is none, or one that is not known.
    """
    if keys.role(key) is None:
        raise Unauthorized(
            "the API key is not known; expected one that the service was given"
            if key is not None
            else f"an API key is missing; expected 'Authorization: Bearer KEY' or '{HEADER}: KEY'"
        )


async def require_admin(request: Request) -> None:
    """Lets a request pass that has an admin's key; a dependency of the routes that need one.

    Raises:
        Unauthorized: it has no key, or one that is not known.
        Forbidden: its key is no admin's, or no admin's key exists.
    """
    keys: Keys = request.app.state.keys
    if not keys.administered:
        raise Forbidden(
            f"{request.scope['path']} is switched off; expected {ENV_PREFIX}ADMIN_KEYS or "
            f"{ENV_PREFIX}ADMIN_KEYS_FILE to be set where the service runs"
        )
    require_key(keys, request.scope)
    if keys.role(key_of(request.scope)) is not Role.ADMIN:
        raise Forbidden("the API key is not an admin's; expected one that is")


def _lines(path: Path, setting: str) -> Iterator[tuple[int, str]]:
    """The lines with a key and their numbers; `#` begins a comment line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{setting} is {str(path)!r}, expected a text file: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _checked(keys: Iterable[tuple[int, str]], where: str) -> Iterator[str]:
    for number, key in keys:
        if len(key) < MIN_KEY_LENGTH:
            raise InvalidInput(
                f"{where.format(number)} has {len(key)} characters, "
                f"expected at least {MIN_KEY_LENGTH}"
            )
        if not _PLAIN.fullmatch(key):
            raise InvalidInput(
                f"{where.format(number)} has a character other than letters, digits and "
                "punctuation without commas, expected none"
            )
        yield key


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
