"""The bundles in models/ on a large photograph, decoded at a fraction of its size."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.geometry import crop_scale
from service.inference.image import ImageLimits, decode_image
from service.inference.repository import load_pipeline
from service.inference.types import Person
from service.runtime.prediction import Picture, pose

MODELS = Path(__file__).parents[2] / "models"
LIMITS = ImageLimits(max_bytes=20_000_000, max_pixels=20_000_000)


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return load_pipeline(MODELS, "default", Execution(device="cpu"))


def _seen(person: Person) -> np.ndarray:
    """The joints `[n, 2]`; those out of view are anywhere."""
    return np.array([(joint.x, joint.y) for joint in person.keypoints[:7]])


@pytest.mark.parametrize(("times", "scale"), [(4, 1 / 2), (5, 1 / 2), (7.5, 1 / 4)])
def test_joints_are_within_a_pixel_of_the_full_decode(
    estimator: PoseEstimator, times: float, scale: float
) -> None:
    astronaut = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    large = cv2.resize(astronaut, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", large)[1].tobytes()

    reduced = pose(estimator, Picture(data), LIMITS)

    assert reduced.image.scale == scale
    (wanted,) = estimator.predict(decode_image(data, LIMITS)).persons
    (found,) = reduced.prediction.persons
    card = estimator.keypoints.card
    to_crop = crop_scale(wanted.box, card.input.size, card.crop_padding or 1.0)
    # In pixels of what the network sees.
    distances = np.linalg.norm(_seen(found) - _seen(wanted), axis=1) * to_crop
    assert distances.mean() < 0.5
    assert distances.max() < 1.5
