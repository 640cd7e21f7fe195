"""Picture files in, JSON and drawings out: the pipeline without a server."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.http.documents import prediction_document, stages_s
from service.inference.coco import coco_results
from service.inference.errors import InvalidInput
from service.inference.estimator import PoseEstimator
from service.inference.image import ImageLimits
from service.inference.render import draw_persons, encode_image
from service.runtime.prediction import Picture, Posed, pose

FileFormat = Literal["json", "coco"]
_PICTURE_TYPES: dict[str, Literal["image/png", "image/jpeg"]] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


@dataclass(frozen=True, slots=True)
class FileJob:
    """A picture file and where its drawing goes.

    Attributes:
        path: of the picture.
        image_id: in COCO results.
        drawing: a PNG or JPEG file to write, if any.
    """

    path: Path
    image_id: int
    drawing: Path | None


def plan(pictures: Sequence[Path], render: Path | None) -> Iterator[FileJob]:
    """One job for each picture, checked before any work is done.

    Args:
        pictures: files.
        render: for one picture a file, for several the folder of their drawings.

    Raises:
        InvalidInput: two drawings would have the same name, or its suffix is of no known format.
    """
    drawings = [_drawing_path(picture, render, count=len(pictures)) for picture in pictures]
    named = [drawing for drawing in drawings if drawing is not None]
    for drawing in named:
        if named.count(drawing) > 1:
            raise InvalidInput(
                f"--render: two pictures would be drawn to {drawing}; expected pictures of "
                "different names"
            )
        if drawing.suffix.lower() not in _PICTURE_TYPES:
            raise InvalidInput(
                f"--render is {drawing}; expected a name that ends with .png, .jpg or .jpeg"
            )
    for index, (picture, drawing) in enumerate(zip(pictures, drawings, strict=True), start=1):
        # COCO names its files after the picture's id.
        image_id = int(picture.stem) if picture.stem.isdecimal() else index
        yield FileJob(picture, image_id, drawing)


def answer(
    estimator: PoseEstimator, job: FileJob, limits: ImageLimits, file_format: FileFormat
) -> object:
    """Finds the people in a picture file, and draws them if asked for.

    Returns:
        What is to be printed as JSON.

    Raises:
        PoseError: the file cannot be read, is no picture, or the drawing cannot be written.
    """
    started = time.perf_counter()
    picture = Picture(_read(job.path, limits), drawn=job.drawing is not None)
    posed = pose(estimator, picture, limits)
    total_s = time.perf_counter() - started
    if job.drawing is not None:
        _draw(estimator, posed, job.drawing)
    if file_format == "coco":
        return coco_results(posed.prediction.persons, job.image_id)
    stages = stages_s(posed, queue_s=0.0, total_s=total_s)
    document = prediction_document(estimator, posed, stages)
    return {"file": str(job.path), **document.model_dump(mode="json")}


def _drawing_path(picture: Path, render: Path | None, *, count: int) -> Path | None:
    if render is None or (count == 1 and not render.is_dir()):
        return render
    return render / f"{picture.stem}.png"


def _read(path: Path, limits: ImageLimits) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than allowed is enough to be refused.
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise InvalidInput(f"the file cannot be read: {error.strerror}") from error


def _draw(estimator: PoseEstimator, posed: Posed, path: Path) -> None:
    drawn = draw_persons(posed.image, posed.prediction.persons, estimator.skeleton)
    data = encode_image(drawn, _PICTURE_TYPES[path.suffix.lower()])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"--render: {path} cannot be written: {error.strerror}") from error
