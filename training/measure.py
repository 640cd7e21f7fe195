"""Asks networks about a data set, with the code that serves, and keeps what they answered.

Everything that answers as a `Session` is measured alike, on the crops and through the mapping of
`service.inference.estimator`, so that a figure is that of the served network. A person's score is
the service's too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from service.inference.coco import coco_results
from service.inference.errors import InvalidData, InvalidInput
from service.inference.estimator import Candidate, PoseEstimator
from service.inference.geometry import clip_box
from service.inference.session import Session
from service.inference.types import Box, Floats, Image, Pixels
from training.comparison import (
    Comparison,
    box_comparison,
    is_measured_box,
    is_measured_person,
    keypoint_comparison,
)
from training.data.coco import CocoFile
from training.data.pictures import read_picture
from training.evaluation import GROUND_TRUTH, Evaluation
from training.flip_test import FlipTest
from training.metrics import coco_metrics

# COCO counts the best 20 people of a picture; the order may still change after the keypoints.
_MAX_PERSONS = 30

Result = dict[str, Any]
"""COCO's: `image_id`, `score`, `bbox`, and for people `keypoints` (3 K numbers)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a network answered on a data set, and the figures of it.

    Attributes:
        evaluation: the COCO figures and how they were measured.
        data: with the truth.
        results: in the order of the pictures.
        comparison: of the truth with the results.
        asked: with boxes of the truth, for each result the place of the person that it is for in
            the truth's annotations; None with boxes of a detector.
    """

    evaluation: Evaluation
    data: CocoFile
    results: Sequence[Result]
    comparison: Comparison
    asked: Sequence[int] | None = None


def measure_keypoints(
    session: Session, data: CocoFile, *, flip_test: bool = False, batch_size: int = 32
) -> Measurement:
    """A keypoint network on the boxes of everyone with labelled joints.

    Raises:
        InvalidData: the file has no such people or other keypoints, or a picture cannot be read.
        InvalidInput: the network is no keypoint network.
    """
    _check_skeleton(session, data)
    network = FlipTest(session) if flip_test else session
    # With boxes given, the detector is never asked.
    estimator = PoseEstimator("evaluation", session, network, min_person_score=0.0)
    results: list[Result] = []
    asked: list[int] = []
    for batch in _crop_batches(estimator, data, batch_size):
        crops = np.concatenate([part.crops for part in batch])
        joints = _run_in_batches(network, crops, batch_size)
        ends = np.cumsum([len(part.crops) for part in batch])[:-1]
        for part, rows in zip(batch, np.split(joints, ends), strict=True):
            results += _results_of(estimator, part, rows)
            asked += part.places
    comparison = keypoint_comparison(data.document, results, data.skeleton.sigmas)
    evaluation = _evaluation(session, data, comparison, GROUND_TRUTH, flip_test=flip_test)
    return Measurement(evaluation, data, results, comparison, asked)


def measure_pipeline(estimator: PoseEstimator, data: CocoFile) -> Measurement:
    """End to end: with the detector's boxes and no threshold on a person's score.

    Raises:
        InvalidData: the file has other keypoints than the network, or a picture cannot be read.
        InvalidInput: a network has the wrong task.
    """
    _check_skeleton(estimator.keypoints, data)
    _check_detector(estimator.detector)
    results: list[Result] = []
    for image_id, image in _pictures(data, data.document["images"]):
        found = estimator.predict(image, max_persons=_MAX_PERSONS, min_person_score=0.0)
        results += map(dict, coco_results(found.persons, image_id))
    comparison = keypoint_comparison(data.document, results, data.skeleton.sigmas)
    evaluation = _evaluation(
        estimator.keypoints,
        data,
        comparison,
        estimator.detector.card.reference,
        flip_test=isinstance(estimator.keypoints, FlipTest),
    )
    return Measurement(evaluation, data, results, comparison)


def measure_detector(
    session: Session, data: CocoFile, *, min_height_px: float = 0.0
) -> Measurement:
    """The boxes of a person detector; `is_measured_box` tells who is ignored.

    Raises:
        InvalidData: a picture cannot be read.
        InvalidInput: the network is no detector.
    """
    _check_detector(session)
    # Only its first step is used.
    estimator = PoseEstimator("evaluation", session, session, min_person_score=0.0)
    results: list[Result] = [
        {
            "image_id": image_id,
            "bbox": [box.x0, box.y0, box.width, box.height],
            "score": score,
        }
        for image_id, image in _pictures(data, data.document["images"])
        for score, box in estimator.detect(image)
    ]
    comparison = box_comparison(data.document, results, min_height_px=min_height_px)
    evaluation = _evaluation(
        session, data, comparison, session.card.reference, min_height_px=min_height_px
    )
    return Measurement(evaluation, data, results, comparison)


@dataclass(frozen=True, slots=True)
class _Part:
    """The crops of one picture, and the places of their people in the truth's annotations."""

    image_id: int
    places: Sequence[int]
    candidates: Sequence[Candidate]
    crops: Pixels
    affines: Floats


def _crop_batches(
    estimator: PoseEstimator, data: CocoFile, batch_size: int
) -> Iterator[list[_Part]]:
    """Crops of picture after picture, in lists of about `batch_size`."""
    people = _labelled_people(data)
    images = [image for image in data.document["images"] if image["id"] in people]
    batch: list[_Part] = []
    for image_id, image in _pictures(data, images):
        places = people[image_id]
        entries = [data.document["annotations"][place] for place in places]
        boxes = [clip_box(Box.from_xywh(*one["bbox"]), image.size) for one in entries]
        crops, affines = estimator.crops(image, boxes)
        batch.append(_Part(image_id, places, [(1.0, box) for box in boxes], crops, affines))
        if sum(len(part.crops) for part in batch) >= batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _results_of(estimator: PoseEstimator, part: _Part, joints: Floats) -> list[Result]:
    """One by one: together, `persons` would sort them, and it were lost who is who."""
    rows = zip(part.candidates, joints, part.affines, strict=True)
    persons = [
        estimator.persons([candidate], one[np.newaxis], affine[np.newaxis])[0]
        for candidate, one, affine in rows
    ]
    return [dict(result) for result in coco_results(persons, part.image_id)]


def _labelled_people(data: CocoFile) -> dict[int, list[int]]:
    """For each picture the places of the people that are measured."""
    people: dict[int, list[int]] = {}
    for place, annotation in enumerate(data.document["annotations"]):
        if is_measured_person(annotation):
            people.setdefault(annotation["image_id"], []).append(place)
    if not people:
        raise InvalidData(f"annotations: {data.path} has nobody with labelled keypoints")
    return people


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
    comparison: Comparison,
    boxes: str,
    *,
    flip_test: bool = False,
    min_height_px: float = 0.0,
) -> Evaluation:
    annotations = data.document["annotations"]
    if comparison.sigmas is None:
        people = sum(is_measured_box(one, min_height_px) for one in annotations)
    else:
        people = sum(map(is_measured_person, annotations))
    return Evaluation(
        model=session.card.reference,
        provider=session.provider,
        data=data.path.name,
        boxes=boxes,
        flip_test=flip_test,
        pictures=len(data.document["images"]),
        people=people,
        metrics=coco_metrics(comparison),
    )
