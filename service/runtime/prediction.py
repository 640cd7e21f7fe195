"""One picture from bytes to people: the work of one request, done in one thread."""

import time
from dataclasses import dataclass
from functools import partial

from service.inference.estimator import PoseEstimator, Prediction
from service.inference.image import ImageLimits, checked_header, decode_reduced
from service.inference.types import MAX_PERSONS, Box, Image


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture and what is asked about it.

    Attributes:
        data: the file's bytes.
        boxes: of the people, in pixels of the upright picture; None leaves them to the detector.
        max_persons: the most people to answer.
        min_person_score: people below it are left out; None takes the pipeline's.
        drawn: the people will be drawn into the picture, so that all its pixels are needed.
    """

    data: bytes
    boxes: tuple[Box, ...] | None = None
    max_persons: int = MAX_PERSONS
    min_person_score: float | None = None
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Posed:
    """A picture, reduced unless it is to be drawn into, its people, and the seconds of decoding."""

    image: Image
    prediction: Prediction
    decode_s: float


def pose(estimator: PoseEstimator, picture: Picture, limits: ImageLimits) -> Posed:
    """Decodes a picture as finely as the networks need it, and finds the people in it.

    Raises:
        PoseError: the bytes are no picture, exceed a limit, or the boxes do not fit the picture.
    """
    started = time.perf_counter()
    decode = partial(decode_reduced, picture.data, limits)
    stored = checked_header(picture.data, limits).size
    scale = 1.0 if picture.drawn else estimator.needed_scale(stored, picture.boxes)
    image = decode(scale)
    decode_s = time.perf_counter() - started
    prediction = estimator.predict(
        image,
        boxes=picture.boxes,
        max_persons=picture.max_persons,
        min_person_score=picture.min_person_score,
        finer=decode,
    )
    return Posed(image, prediction, decode_s + prediction.decode_s)
