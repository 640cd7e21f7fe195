"""One picture from bytes to people: the work of one request, done in one thread."""

import time
from dataclasses import dataclass

from service.inference.estimator import PoseEstimator, Prediction
from service.inference.image import ImageLimits, decode_image
from service.inference.types import Box, Image

MAX_PERSONS = 20
"""People per picture unless the caller asks for another number."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture and what is asked about it.

    Attributes:
        data: the file's bytes.
        boxes: of the people, in pixels of the upright picture; None leaves them to the detector.
        max_persons: the most people to answer.
        min_person_score: people below it are left out; None takes the pipeline's.
    """

    data: bytes
    boxes: tuple[Box, ...] | None = None
    max_persons: int = MAX_PERSONS
    min_person_score: float | None = None


@dataclass(frozen=True, slots=True)
class Posed:
    """A decoded picture with its people, and the seconds that decoding took."""

    image: Image
    prediction: Prediction
    decode_s: float


def pose(estimator: PoseEstimator, picture: Picture, limits: ImageLimits) -> Posed:
    """Decodes a picture and finds the people in it.

    Raises:
        PoseError: the bytes are no picture, exceed a limit, or the boxes do not fit the picture.
    """
    started = time.perf_counter()
    image = decode_image(picture.data, limits)
    decode_s = time.perf_counter() - started
    prediction = estimator.predict(
        image,
        boxes=picture.boxes,
        max_persons=picture.max_persons,
        min_person_score=picture.min_person_score,
    )
    return Posed(image, prediction, decode_s)
