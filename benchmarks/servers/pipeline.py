"""What every server of the comparison does with a picture: the same work, the same answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

from service.http.documents import prediction_document, stages_s
from service.http.schemas import PredictionDocument
from service.inference.card import ModelCard
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.image import ImageLimits
from service.inference.repository import MODEL_FILE, load_pipeline
from service.inference.types import Pixels
from service.runtime.prediction import Picture, Posed, pose

_ort: Any = onnxruntime
LIMITS = ImageLimits(max_bytes=20 * 1024 * 1024, max_pixels=50_000_000)
MODELS_DIR = Path("models")
_OPENCVS_CHOICE = -1


class PlainSession:
    """A network opened as ONNX Runtime's and the other servers' documentation shows, all defaults.

    Args:
        card: of the bundle.
    """

    provider = "CPUExecutionProvider"

    def __init__(self, card: ModelCard) -> None:
        path = MODELS_DIR / card.reference / MODEL_FILE
        self.card = card
        self._session = _ort.InferenceSession(path, providers=[self.provider])
        self._outputs: list[str] = [output.name for output in self._session.get_outputs()]

    def run(self, image: Pixels) -> dict[str, npt.NDArray[np.float32]]:
        """Runs the network on uint8 RGB `[N, H, W, 3]`."""
        values = self._session.run(self._outputs, {"image": image})
        return dict(zip(self._outputs, values, strict=True))


def open_tuned() -> PoseEstimator:
    """The default pipeline as the service opens it: a run takes one thread, which never spins."""
    return load_pipeline(MODELS_DIR, "default", Execution(device="cpu", threads=1))


def open_plain() -> PoseEstimator:
    """The default pipeline with ONNX Runtime's and OpenCV's own choice of threads."""
    tuned = open_tuned()
    cv2.setNumThreads(_OPENCVS_CHOICE)
    return replace(
        tuned,
        detector=PlainSession(tuned.detector.card),
        keypoints=PlainSession(tuned.keypoints.card),
    )


def find_people(estimator: PoseEstimator, data: bytes) -> Posed:
    """Decodes a picture and finds the people in it."""
    return pose(estimator, Picture(data), LIMITS)


def answer(estimator: PoseEstimator, data: bytes) -> PredictionDocument:
    """The people in a picture as the service's JSON."""
    posed = find_people(estimator, data)
    return prediction_document(estimator, posed, stages_s(posed, queue_s=0.0, total_s=0.0))
