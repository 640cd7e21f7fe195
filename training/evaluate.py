"""The verb `evaluate`: measures runs and exported bundles with the code that serves.

Everything that answers as a `Session` is measured alike, on the crops and through the mapping of
`service.inference.estimator`, so that a figure is that of the served network. A person's score is
the service's too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from service.inference.coco import CocoResult, coco_results
from service.inference.errors import InvalidData, InvalidInput
from service.inference.estimator import Candidate, PoseEstimator
from service.inference.geometry import clip_box
from service.inference.session import Device, Session
from service.inference.types import Box, Floats, Image, Pixels
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.data.pictures import read_picture
from training.evaluation import GROUND_TRUTH, Evaluation, print_evaluation
from training.flip_test import FlipTest
from training.metrics import box_metrics, is_measured_box, keypoint_metrics
from training.open_model import open_model

# COCO counts the best 20 people of a picture; the order may still change after the keypoints.
_MAX_PERSONS = 30


def evaluate_keypoints(
    session: Session, data: CocoFile, *, flip_test: bool = False, batch_size: int = 32
) -> Evaluation:
    """OKS AP of a keypoint network on the boxes of everyone with labelled joints.

    Raises:
        InvalidData: the file has no such people or other keypoints, or a picture cannot be read.
        InvalidInput: the network is no keypoint network.
    """
    _check_skeleton(session, data)
    asked = FlipTest(session) if flip_test else session
    # With boxes given, the detector is never asked.
    estimator = PoseEstimator("evaluation", session, asked, min_person_score=0.0)
    results: list[CocoResult] = []
    for batch in _crop_batches(estimator, data, batch_size):
        joints = _run_in_batches(asked, np.concatenate([part.crops for part in batch]), batch_size)
        ends = np.cumsum([len(part.crops) for part in batch])[:-1]
        for part, rows in zip(batch, np.split(joints, ends), strict=True):
            persons = estimator.persons(part.candidates, rows, part.affines)
            results += coco_results(persons, part.image_id)
    metrics = keypoint_metrics(data.document, results, data.skeleton.sigmas)
    return _evaluation(session, data, GROUND_TRUTH, metrics, _is_labelled, flip_test=flip_test)


def evaluate_pipeline(estimator: PoseEstimator, data: CocoFile) -> Evaluation:
    """OKS AP end to end: with the detector's boxes and no threshold on a person's score.

    Raises:
        InvalidData: the file has other keypoints than the network, or a picture cannot be read.
        InvalidInput: a network has the wrong task.
    """
    _check_skeleton(estimator.keypoints, data)
    _check_detector(estimator.detector)
    results: list[CocoResult] = []
    for image_id, image in _pictures(data, data.document["images"]):
        found = estimator.predict(image, max_persons=_MAX_PERSONS, min_person_score=0.0)
        results += coco_results(found.persons, image_id)
    metrics = keypoint_metrics(data.document, results, data.skeleton.sigmas)
    flip_test = isinstance(estimator.keypoints, FlipTest)
    boxes = estimator.detector.card.reference
    return _evaluation(estimator.keypoints, data, boxes, metrics, _is_labelled, flip_test=flip_test)


def evaluate_detector(
    session: Session, data: CocoFile, *, min_height_px: float = 0.0
) -> Evaluation:
    """Box AP of a person detector; `box_metrics` tells who is ignored.

    Raises:
        InvalidData: a picture cannot be read.
        InvalidInput: the network is no detector.
    """
    _check_detector(session)
    # Only its first step is used.
    estimator = PoseEstimator("evaluation", session, session, min_person_score=0.0)
    results = [
        {
            "image_id": image_id,
            "bbox": [box.x0, box.y0, box.width, box.height],
            "score": score,
        }
        for image_id, image in _pictures(data, data.document["images"])
        for score, box in estimator.detect(image)
    ]
    metrics = box_metrics(data.document, results, min_height_px=min_height_px)

    def is_measured(annotation: Mapping[str, Any]) -> bool:
        return is_measured_box(annotation, min_height_px)

    return _evaluation(session, data, session.card.reference, metrics, is_measured)


def evaluate_alone(session: Session, data: CocoFile) -> Evaluation:
    """A network by its task, without another one: boxes, or joints in the true boxes.

    Raises:
        InvalidData: as `evaluate_keypoints` and `evaluate_detector`.
    """
    measure = evaluate_detector if session.card.task == "detection" else evaluate_keypoints
    return measure(session, data)


def run_evaluate(
    model: Path,
    data: DataSet,
    *,
    detector: Path | None = None,
    flip_test: bool = False,
    min_height_px: float = 0.0,
    as_json: bool = False,
    device: Device = "auto",
) -> Evaluation:
    """Measures a run or a bundle on a COCO file and prints the figures.

    Args:
        model: folder of a run (its best weights), folder of a bundle, or an ONNX file.
        data: with the truth.
        detector: as `model`, of task `detection`; without one, boxes come from the truth.
        flip_test: average with mirrored crops (keypoint networks only).
        min_height_px: ignore smaller people (detectors only).
        as_json: print JSON instead of a table.
        device: for bundles; a run takes what Keras finds.

    Raises:
        PoseError: a file cannot be read or does not fit the others.
    """
    coco = read_coco(data)
    session = open_model(model, device)
    if session.card.task == "detection":
        if flip_test or detector is not None:
            raise InvalidInput(
                f"model: {model} is a detector; flip_test and detector need a keypoint network"
            )
        evaluation = evaluate_detector(session, coco, min_height_px=min_height_px)
    elif detector is None:
        evaluation = evaluate_keypoints(session, coco, flip_test=flip_test)
    else:
        keypoints = FlipTest(session) if flip_test else session
        pipeline = PoseEstimator("evaluation", open_model(detector, device), keypoints, 0.0)
        evaluation = evaluate_pipeline(pipeline, coco)
    print_evaluation(evaluation, as_json=as_json)
    return evaluation


@dataclass(frozen=True, slots=True)
class _Part:
    """The crops of one picture."""

    image_id: int
    candidates: Sequence[Candidate]
    crops: Pixels
    affines: Floats


def _crop_batches(
    estimator: PoseEstimator, data: CocoFile, batch_size: int
) -> Iterator[list[_Part]]:
    """Crops of picture after picture, in lists of about `batch_size`."""
    boxes = _labelled_boxes(data)
    images = [image for image in data.document["images"] if image["id"] in boxes]
    batch: list[_Part] = []
    for image_id, image in _pictures(data, images):
        clipped = [clip_box(box, image.size) for box in boxes[image_id]]
        crops, affines = estimator.crops(image, clipped)
        batch.append(_Part(image_id, [(1.0, box) for box in clipped], crops, affines))
        if sum(len(part.crops) for part in batch) >= batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _labelled_boxes(data: CocoFile) -> dict[int, list[Box]]:
    boxes: dict[int, list[Box]] = {}
    for annotation in data.document["annotations"]:
        if _is_labelled(annotation):
            box = Box.from_xywh(*annotation["bbox"])
            boxes.setdefault(annotation["image_id"], []).append(box)
    if not boxes:
        raise InvalidData(f"annotations: {data.path} has nobody with labelled keypoints")
    return boxes


def _is_labelled(annotation: Mapping[str, Any]) -> bool:
    return annotation.get("num_keypoints", 0) > 0 and not annotation.get("iscrowd", 0)


def _run_in_batches(session: Session, crops: Pixels, batch_size: int) -> Floats:
    starts = range(0, len(crops), batch_size)
    runs = [session.run(crops[start : start + batch_size]) for start in starts]
    return np.concatenate([answer["keypoints"] for answer in runs])


def _pictures(data: CocoFile, images: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Image]]:
    """Image id and picture of each; shows the progress on a terminal."""
    console = Console(stderr=True)
    entries = list(images)
    shown = track(entries, "Measuring", console=console, disable=not console.is_terminal)
    for entry in shown:
        yield entry["id"], read_picture(data.picture(entry))


def _check_skeleton(session: Session, data: CocoFile) -> None:
    skeleton = session.card.skeleton
    if skeleton is None:
        raise InvalidInput(
            f"model: {session.card.reference} has task {session.card.task}, not keypoints"
        )
    if skeleton.names != data.skeleton.names:
        raise InvalidData(
            f"categories: {data.path} has keypoints {', '.join(data.skeleton.names)}, "
            f"but {session.card.reference} answers {', '.join(skeleton.names)}"
        )


def _check_detector(session: Session) -> None:
    if session.card.task != "detection":
        raise InvalidInput(f"detector: {session.card.reference} has task {session.card.task}")


def _evaluation(
    session: Session,
    data: CocoFile,
    boxes: str,
    metrics: dict[str, float],
    is_measured: Callable[[Mapping[str, Any]], bool],
    *,
    flip_test: bool = False,
) -> Evaluation:
    return Evaluation(
        model=session.card.reference,
        provider=session.provider,
        data=data.path.name,
        boxes=boxes,
        flip_test=flip_test,
        pictures=len(data.document["images"]),
        people=sum(map(is_measured, data.document["annotations"])),
        metrics=metrics,
    )
