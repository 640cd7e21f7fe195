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
from service.inference.video import writer as video_writer
from service.inference.video.reader import is_video_file
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
        drawing: a PNG or JPEG file to write, if any; of a video, an MP4 file.
        is_video: whether it is no picture but a video.
    """

    path: Path
    image_id: int
    drawing: Path | None
    is_video: bool = False


def plan(pictures: Sequence[Path], render: Path | None) -> Iterator[FileJob]:
    """One job for each picture or video, checked before any work is done.

    Args:
        pictures: files; which ones are videos shows their content.
        render: for one picture a file, for several the folder of their drawings.

    Raises:
        InvalidInput: two drawings would have the same name, its suffix is of no known format, or
            it would take the place of its video.
    """
    videos = [is_video_file(picture) for picture in pictures]
    drawings = [
        _drawing_path(picture, render, video_writer.SUFFIX if video else ".png", len(pictures))
        for picture, video in zip(pictures, videos, strict=True)
    ]
    named = [drawing for drawing in drawings if drawing is not None]
    for drawing in named:
        if named.count(drawing) > 1:
            raise InvalidInput(
                f"--render: two pictures would be drawn to {drawing}; expected pictures of "
                "different names"
            )
    for index, picture in enumerate(pictures, start=1):
        # COCO names its files after the picture's id.
        image_id = int(picture.stem) if picture.stem.isdecimal() else index
        job = FileJob(picture, image_id, drawings[index - 1], videos[index - 1])
        _check_drawing(job)
        yield job


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


def _drawing_path(picture: Path, render: Path | None, suffix: str, count: int) -> Path | None:
    if render is None or (count == 1 and not render.is_dir()):
        return render
    return render / f"{picture.stem}{suffix}"


def _check_drawing(job: FileJob) -> None:
    if job.drawing is None:
        return
    suffixes = [video_writer.SUFFIX] if job.is_video else list(_PICTURE_TYPES)
    if job.drawing.suffix.lower() not in suffixes:
        *others, last = suffixes
        expected = f"{', '.join(others)} or {last}" if others else last
        raise InvalidInput(f"--render is {job.drawing}; expected a name that ends with {expected}")
    if job.is_video and job.drawing.resolve() == job.path.resolve():
        raise InvalidInput(f"--render is {job.drawing}, the video itself; expected another name")


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
