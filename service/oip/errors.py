"""The errors of the protocol."""

from service.inference.errors import InvalidInput, PoseError


class InvalidRequest(InvalidInput):
    """An inference request is no such thing, or does not fit its model."""


class UnknownModel(PoseError):
    """No model of that name and version is loaded."""
