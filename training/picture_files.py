"""Which pictures `predict` looks at, under which number, and where their drawings go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from service.inference.errors import InvalidInput
from service.inference.types import Box
from training.data.coco import CocoFile

_READABLE = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp"))
_WRITABLE = frozenset((".jpg", ".jpeg", ".png"))


@dataclass(frozen=True, slots=True)
class PictureJob:
    """A picture to look at.

    Attributes:
        path: of the file.
        image_id: in COCO results.
        drawing: path of its drawing below the output folder.
        boxes: of the people in it, in its pixels; None if a detector shall find them.
    """

    path: Path
    image_id: int
    drawing: PurePath
    boxes: tuple[Box, ...] | None = None


def jobs_of_files(paths: Sequence[Path], output: Path) -> list[PictureJob]:
    """One job for each picture among files and, with their subfolders, folders.

    A drawing keeps the place that its picture has below the folder. If all files are named after
    different numbers, as COCO's are, these are the pictures' numbers; else they count from 1.

    Args:
        paths: files, taken whatever their names, and folders, of which pictures are taken.
        output: folder of the drawings; never looked into.

    Raises:
        InvalidInput: a path is missing, there is no picture, or two would have the same drawing.
    """
    found = [pair for path in paths for pair in _pictures_below(path, output)]
    if not found:
        listed = ", ".join(map(str, paths)) or "nothing"
        raise InvalidInput(f"pictures: no JPEG, PNG, WebP or BMP file in {listed}")
    numbers = _numbers([path for path, _ in found])
    jobs = [
        PictureJob(path, number, _drawing(place))
        for number, (path, place) in zip(numbers, found, strict=True)
    ]
    return _checked(jobs)


def jobs_of_data(data: CocoFile) -> list[PictureJob]:
    """One job for each picture of an annotation file, with the boxes of its people (no crowds).

    Raises:
        InvalidInput: two pictures would have the same drawing.
    """
    boxes: dict[int, list[Box]] = {image["id"]: [] for image in data.document["images"]}
    for annotation in data.document["annotations"]:
        if not annotation.get("iscrowd", 0):
            boxes[annotation["image_id"]].append(Box.from_xywh(*annotation["bbox"]))
    jobs = [
        PictureJob(
            path=data.picture(image),
            image_id=image["id"],
            drawing=_drawing(PurePath(str(image["file_name"]))),
            boxes=tuple(boxes[image["id"]]),
        )
        for image in data.document["images"]
    ]
    return _checked(jobs)


def _pictures_below(path: Path, output: Path) -> Iterator[tuple[Path, PurePath]]:
    """Each picture, and its place below the folder that was named."""
    if path.is_file():
        yield path, PurePath(path.name)
        return
    if not path.is_dir():
        raise InvalidInput(f"pictures: no file or folder {path}")
    for file in sorted(path.rglob("*")):
        is_own = file.resolve().is_relative_to(output.resolve())
        if file.suffix.lower() in _READABLE and file.is_file() and not is_own:
            yield file, file.relative_to(path)


def _numbers(paths: Sequence[Path]) -> Sequence[int]:
    stems = [path.stem for path in paths]
    if all(stem.isascii() and stem.isdecimal() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return numbers
    return range(1, len(paths) + 1)


def _drawing(place: PurePath) -> PurePath:
    """The same name where the format can be written, else with `.jpg` after it."""
    if place.is_absolute() or ".." in place.parts:
        # Annotation files may name pictures anywhere; drawings stay in their folder.
        place = PurePath(place.name)
    return place if place.suffix.lower() in _WRITABLE else place.with_name(f"{place.name}.jpg")


def _checked(jobs: list[PictureJob]) -> list[PictureJob]:
    seen: dict[PurePath, Path] = {}
    for job in jobs:
        other = seen.setdefault(job.drawing, job.path)
        if other != job.path:
            raise InvalidInput(
                f"pictures: {other} and {job.path} would both be drawn to {job.drawing}; "
                "expected pictures of different names"
            )
    return jobs
