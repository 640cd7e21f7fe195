"""The verb `predict`: finds people in picture files, draws them and keeps the results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from rich.console import Console
from rich.progress import track

from service.inference.coco import coco_results
from service.inference.errors import InvalidData, InvalidInput, PoseError
from service.inference.estimator import PoseEstimator
from service.inference.execution import Device
from service.inference.render import draw_persons, encode_image
from service.inference.session import Session
from service.inference.types import Image
from training.config import DataSet
from training.data.coco import read_coco
from training.data.pictures import read_picture
from training.drawing import draw_boxes
from training.open_model import open_model
from training.picture_files import PictureJob, jobs_of_data, jobs_of_files

RESULTS_FILE = "results.json"
IMAGES_FILE = "images.json"
MIN_PERSON_SCORE = 0.15
"""As in the service's pipeline: the box's score times the mean score of the joints."""
MIN_BOX_SCORE = 0.3

_MAX_PERSONS = 100

Results = Sequence[Mapping[str, Any]]
Answer = tuple[Image, Results]
"""The drawing, and COCO results."""


class Answerer(Protocol):
    """Finds, draws and lists the people in a picture."""

    def __call__(self, image: Image, job: PictureJob) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done: pictures looked at, people found in them, pictures that could not be read."""

    pictures: int
    people: int
    broken: int


def run_predict(
    model: Path,
    pictures: Sequence[Path],
    output: Path,
    *,
    detector: Path | None = None,
    data: DataSet | None = None,
    min_person_score: float | None = None,
    min_joint_score: float = 0.3,
    device: Device = "auto",
    force: bool = False,
) -> Summary:
    """Draws the people in pictures, and writes COCO results beside the drawings.

    A picture that cannot be used is named on stderr and left out.

    Args:
        model: folder of a run or a bundle, or an ONNX file; of a detector, boxes are drawn.
        pictures: files and folders.
        output: folder to write to.
        detector: as `model`, finds the people for a keypoint network.
        data: annotation file whose pictures and, for a keypoint network, boxes are taken.
        min_person_score: who scores less is left out; None takes `MIN_PERSON_SCORE`, for a
            detector alone `MIN_BOX_SCORE`, and everyone with boxes of `data`.
        min_joint_score: joints below are not drawn; the results hold all.
        device: for bundles; a run takes what Keras finds.
        force: write into a folder that is not empty.

    Raises:
        InvalidInput: arguments contradict each other, nothing tells where people are, or the
            output folder is not empty.
        PoseError: a network or the annotation file cannot be used.
    """
    if bool(pictures) == (data is not None):
        raise InvalidInput("pictures: name files or folders, or an annotation file by --data")
    if not force and output.is_dir() and any(output.iterdir()):
        raise InvalidInput(f"output: {output} is not empty; choose another folder, or use --force")
    jobs = jobs_of_files(pictures, output) if data is None else jobs_of_data(read_coco(data))
    session = open_model(model, device)
    answer = _answerer(session, detector, jobs, min_person_score, min_joint_score, device)
    return _work(jobs, answer, output, session, numbered_here=data is None)


def _answerer(
    session: Session,
    detector: Path | None,
    jobs: Sequence[PictureJob],
    min_person_score: float | None,
    min_joint_score: float,
    device: Device,
) -> Answerer:
    reference = session.card.reference
    if session.card.task == "detection":
        if detector is not None:
            raise InvalidInput(f"detector: {reference} is a detector itself and needs no other")
        least = MIN_BOX_SCORE if min_person_score is None else min_person_score
        # Only its first step is used.
        estimator = PoseEstimator("predict", session, session, least)
        return partial(_boxes_answer, estimator)
    has_boxes = all(job.boxes is not None for job in jobs)
    if has_boxes == (detector is not None):
        raise InvalidInput(
            f"detector: {reference} looks at one person at a time; expected either --detector, "
            "a bundle that finds the people, or --data, an annotation file with their boxes"
        )
    if detector is None:
        least = min_person_score or 0.0
        finder = session
    else:
        least = MIN_PERSON_SCORE if min_person_score is None else min_person_score
        finder = open_model(detector, device)
        if finder.card.task != "detection":
            raise InvalidInput(
                f"detector: {finder.card.reference} has task {finder.card.task}; "
                "expected one of task detection"
            )
    estimator = PoseEstimator("predict", finder, session, least)
    return partial(_persons_answer, estimator, min_joint_score)


def _persons_answer(
    estimator: PoseEstimator, min_joint_score: float, image: Image, job: PictureJob
) -> Answer:
    persons = estimator.predict(
        image,
        boxes=job.boxes,
        max_persons=max(_MAX_PERSONS, len(job.boxes or ())),
        min_person_score=estimator.min_person_score,
    ).persons
    skeleton = estimator.skeleton
    drawing = draw_persons(image, persons, skeleton, min_keypoint_score=min_joint_score)
    return drawing, [dict(result) for result in coco_results(persons, job.image_id)]


def _boxes_answer(estimator: PoseEstimator, image: Image, job: PictureJob) -> Answer:
    found = [one for one in estimator.detect(image) if one[0] >= estimator.min_person_score]
    results = [
        {
            "image_id": job.image_id,
            "category_id": 1,
            "bbox": [box.x0, box.y0, box.width, box.height],
            "score": score,
        }
        for score, box in found
    ]
    labels = [f"{score:.2f}" for score, _ in found]
    return draw_boxes(image, [box for _, box in found], labels=labels), results


def _work(
    jobs: Sequence[PictureJob],
    answer: Answerer,
    output: Path,
    session: Session,
    *,
    numbered_here: bool,
) -> Summary:
    console = Console(stderr=True)
    images: list[Mapping[str, Any]] = []
    results: list[Mapping[str, Any]] = []
    broken = 0
    for job in track(jobs, "Predicting", console=console, disable=not console.is_terminal):
        try:
            image = read_picture(job.path)
            drawing, found = answer(image, job)
        except PoseError as error:
            broken += 1
            text = str(error)
            named = text if str(job.path) in text else f"picture {job.path}: {text}"
            console.print(f"error: {named}", markup=False, highlight=False, soft_wrap=True)
            continue
        _write(output / job.drawing, _encoded(drawing, job))
        size = image.size
        entry = {"id": job.image_id, "width": size.width, "height": size.height}
        images.append(entry | {"file_name": str(job.path)})
        results += found
    _write(output / RESULTS_FILE, json.dumps(results).encode())
    if numbered_here:
        document = {"images": images, "annotations": [], "categories": [_category(session)]}
        _write(output / IMAGES_FILE, json.dumps(document, indent=1).encode())
    return Summary(len(jobs) - broken, len(results), broken)


def _category(session: Session) -> Mapping[str, Any]:
    category: dict[str, Any] = {"id": 1, "name": "person"}
    skeleton = session.card.skeleton
    if skeleton is not None:
        category["keypoints"] = list(skeleton.names)
        category["skeleton"] = [[a + 1, b + 1] for a, b in skeleton.edges]
    return category


def _encoded(drawing: Image, job: PictureJob) -> bytes:
    media_type: Literal["image/png", "image/jpeg"] = (
        "image/png" if job.drawing.suffix.lower() == ".png" else "image/jpeg"
    )
    return encode_image(drawing, media_type)


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise InvalidData(f"output: {path} cannot be written: {error.strerror}") from error
