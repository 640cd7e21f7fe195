"""The COCO figures of a network, and the verb `evaluate`, which says what is behind them too."""

from pathlib import Path

from rich.console import Console

from service.inference.errors import InvalidInput
from service.inference.estimator import PoseEstimator
from service.inference.execution import Device
from service.inference.session import Session
from training.analysis.analyse import analyse
from training.analysis.results import Analysis
from training.analysis.save_errors import check_folder
from training.analysis.save_errors import save_errors as draw_errors
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.evaluation import Evaluation, print_evaluation
from training.flip_test import FlipTest
from training.measure import (
    Measurement,
    measure_detector,
    measure_keypoints,
    measure_pipeline,
)
from training.open_model import open_model


def evaluate_keypoints(
    session: Session, data: CocoFile, *, flip_test: bool = False, batch_size: int = 32
) -> Evaluation:
    """OKS AP of a keypoint network on the true boxes; see `measure_keypoints`."""
    measurement = measure_keypoints(session, data, flip_test=flip_test, batch_size=batch_size)
    return measurement.evaluation


def evaluate_pipeline(estimator: PoseEstimator, data: CocoFile) -> Evaluation:
    """OKS AP end to end; see `measure_pipeline`."""
    return measure_pipeline(estimator, data).evaluation


def evaluate_detector(
    session: Session, data: CocoFile, *, min_height_px: float = 0.0
) -> Evaluation:
    """Box AP of a person detector; see `measure_detector`."""
    return measure_detector(session, data, min_height_px=min_height_px).evaluation


def evaluate_alone(session: Session, data: CocoFile) -> Evaluation:
    """A network by its task, without another one: boxes, or joints in the true boxes.

    Raises:
        InvalidData: as `measure_keypoints` and `measure_detector`.
    """
    evaluate = evaluate_detector if session.card.task == "detection" else evaluate_keypoints
    return evaluate(session, data)


def measure_model(
    model: Path,
    data: CocoFile,
    *,
    detector: Path | None = None,
    flip_test: bool = False,
    min_height_px: float = 0.0,
    device: Device = "auto",
) -> Measurement:
    """A run or a bundle by its task; the arguments are those of `run_evaluate`.

    Raises:
        PoseError: a file cannot be read or does not fit the others.
    """
    session = open_model(model, device)
    if session.card.task == "detection":
        if flip_test or detector is not None:
            raise InvalidInput(
                f"model: {model} is a detector; flip_test and detector need a keypoint network"
            )
        return measure_detector(session, data, min_height_px=min_height_px)
    if detector is None:
        return measure_keypoints(session, data, flip_test=flip_test)
    keypoints = FlipTest(session) if flip_test else session
    pipeline = PoseEstimator("evaluation", open_model(detector, device), keypoints, 0.0)
    return measure_pipeline(pipeline, data)


def run_evaluate(
    model: Path,
    data: DataSet,
    *,
    detector: Path | None = None,
    flip_test: bool = False,
    min_height_px: float = 0.0,
    min_person_score: float | None = None,
    save_errors: Path | None = None,
    as_json: bool = False,
    details: bool = False,
    device: Device = "auto",
) -> tuple[Evaluation, Analysis]:
    """Measures a run or a bundle on a COCO file and prints the figures and what is behind them.

    Args:
        model: folder of a run (its best weights), folder of a bundle, or an ONNX file.
        data: with the truth.
        detector: as `model`, of task `detection`; without one, boxes come from the truth.
        flip_test: average with mirrored crops (keypoint networks only).
        min_height_px: ignore smaller people (detectors only).
        min_person_score: kinds of errors are told for answers with this score; see `analyse`.
        save_errors: folder for pictures of the worst cases; must be new or empty.
        as_json: print JSON instead of tables.
        details: print all tables.
        device: for bundles; a run takes what Keras finds.

    Raises:
        PoseError: a file cannot be read or does not fit the others.
    """
    if save_errors is not None:
        check_folder(save_errors)
    measurement = measure_model(
        model,
        read_coco(data),
        detector=detector,
        flip_test=flip_test,
        min_height_px=min_height_px,
        device=device,
    )
    with Console(stderr=True).status("Analysing"):
        analysis = analyse(measurement, min_score=min_person_score)
    if save_errors is not None:
        draw_errors(measurement, analysis, save_errors)
    print_evaluation(measurement.evaluation, analysis, as_json=as_json, details=details)
    return measurement.evaluation, analysis
