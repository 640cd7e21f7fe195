"""What a client prefers or accepts, by the weights of its headers (RFC 9110, section 12.5)."""

from typing import Literal

PictureType = Literal["image/png", "image/jpeg"]
_OFFERED: tuple[PictureType, ...] = ("image/png", "image/jpeg")


def preferred_picture_type(accept: str) -> PictureType:
    """PNG unless the `Accept` header ranks JPEG higher.

    A client that accepts neither gets PNG too: it has asked for a picture in the query.
    """
    weights = _weights(accept)
    return max(_OFFERED, key=lambda offered: _weight(offered, weights))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an answer may be compressed by gzip; only where the header says so."""
    return _weights(accept_encoding).get("gzip", 0.0) > 0


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for entry in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in entry.split(";"))
        weights[media_range] = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weights[media_range] = _quality(value.strip())
    return weights


def _weight(offered: PictureType, weights: dict[str, float]) -> float:
    ranges = (offered, "image/*", "*/*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
