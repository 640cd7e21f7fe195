"""The errors of the domain.

Each message names the field, the value and what was expected. The HTTP layer maps every class once
to a problem document (`service.http.problems`); the command lines print the message and exit 2.
"""


class PoseError(Exception):
    """Base of every error that a caller can act on."""


class InvalidInput(PoseError):
    """A request or argument value is malformed or out of range."""


class InvalidImage(PoseError):
    """The bytes are not a picture that can be decoded."""


class UnsupportedImage(InvalidImage):
    """The bytes are of a media type that is not accepted."""


class ImageTooLarge(PoseError):
    """The upload exceeds a limit on bytes or pixels."""


class InvalidVideo(PoseError):
    """The bytes are not a video that can be decoded."""


class UnsupportedVideo(InvalidVideo):
    """The bytes are of a container that is not accepted."""


class VideoTooLarge(PoseError):
    """A video exceeds a limit on bytes, pixels, frames or seconds."""


class InvalidBundle(PoseError):
    """A model file, its card or the pipeline table is missing, corrupt or inconsistent."""


class DeviceUnavailable(PoseError):
    """The requested execution provider cannot run here."""


class InferenceFailed(PoseError):
    """A network failed on an input that fits its contract.

    Attributes:
        failure_id: under which the log tells why.
    """

    def __init__(self, failure_id: str) -> None:
        super().__init__(f"The network failed; the log tells why under the id {failure_id}.")
        self.failure_id = failure_id


class InvalidData(PoseError):
    """A data set, its annotations or a training configuration cannot be used."""


class Overloaded(PoseError):
    """The service has as many requests as it admits.

    Attributes:
        retry_after_s: seconds after which a retry is likely to be admitted.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ShuttingDown(PoseError):
    """The service is draining and takes no new requests."""
