"""Networks of a pipeline that answer with what a test gives them."""

import numpy as np

from service.inference.estimator import PoseEstimator
from service.inference.types import Image, Size

K = 17
CROP = Size(height=64, width=48)
# Fits the detector's 64 x 64 input by the factor 0.4, with bars of 6.4 pixels above and below.
PICTURE = Size(height=128, width=160)


class FakeSession:
    """Answers with a function and remembers the batches that it was asked about."""

    provider = "fake"

    def __init__(self, card, answer):
        self.card = card
        self.batches = []
        self.shapes = []
        self._answer = answer

    def run(self, image):
        self.batches.append(len(image))
        self.shapes.append(image.shape[1:3])
        return self._answer(image)


def detector_answer(rows):
    values = np.array(rows, np.float32).reshape(-1, 5)
    return lambda _: {"boxes": values[None, :, :4], "scores": values[None, :, 4]}


def joints_answer(score):
    """All joints in the middle of the crop; the score may depend on the crop."""

    def answer(crops):
        rows = np.empty((len(crops), K, 3), np.float32)
        rows[..., 0], rows[..., 1] = CROP.width / 2, CROP.height / 2
        rows[..., 2] = [[score(crop) if callable(score) else score] for crop in crops]
        return {"keypoints": rows}

    return answer


def fake_estimator(bundles, rows=(), joint_score=1.0, min_person_score=0.2):
    return PoseEstimator(
        name="test",
        detector=FakeSession(bundles.detector_card(), detector_answer(rows)),
        keypoints=FakeSession(bundles.keypoints_card(), joints_answer(joint_score)),
        min_person_score=min_person_score,
    )


def grey_picture(size=PICTURE):
    return Image(np.full((size.height, size.width, 3), 128, np.uint8))


def in_detector(box, score, size=PICTURE, side=64):
    """A detector's row for a box of the picture."""
    scale = min(side / size.width, side / size.height)
    x_bar, y_bar = (side - size.width * scale) / 2, (side - size.height * scale) / 2
    return (
        box.x0 * scale + x_bar,
        box.y0 * scale + y_bar,
        box.x1 * scale + x_bar,
        box.y1 * scale + y_bar,
        score,
    )
