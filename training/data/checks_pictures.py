"""Checks of a COCO file's pictures: there, readable, of the stated size."""

import hashlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from service.inference.cores import available_cores
from service.inference.errors import PoseError
from service.inference.types import Size
from training.data.findings import Entry, Findings, Id, Place, as_id, as_number
from training.data.pictures import read_picture
from training.data.thumbnails import Thumbnail, thumbnail

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp"))


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture of a file's `images`.

    Attributes:
        path: of its file.
        size: as read, else as the record states it, else None.
        digest: SHA-256 of the file; empty if it cannot be read.
        thumbnail: to recognise copies; None if it cannot be read.
    """

    path: Path
    size: Size | None
    digest: str = ""
    thumbnail: Thumbnail | None = None


@dataclass(frozen=True, slots=True)
class _Inspected:
    """What reading a file gave, or the problem."""

    digest: str = ""
    size: Size | None = None
    thumbnail: Thumbnail | None = None
    problem: str = ""
    detail: str = ""


def check_pictures(
    images: Sequence[Entry], folder: Path, findings: Findings
) -> Mapping[Id, CheckedPicture]:
    """Reads every picture; what is known of each by its id."""
    if not images:
        findings.add("error", "`images` is empty: there is no picture")
    named = [entry for entry in images if _check_record(entry, findings)]
    paths = [folder / str(entry["file_name"]) for entry in named]
    pictures: dict[Id, CheckedPicture] = {}
    for entry, path, seen in zip(named, paths, _inspect_all(paths), strict=True):
        identity = as_id(entry["id"])
        if identity is None:
            continue
        place = Place(f"{entry['file_name']} (image {entry['id']})", (path,))
        if identity in pictures:
            findings.add("error", "two images have the same id", place)
        size = seen.size or _stated_size(entry)
        pictures[identity] = CheckedPicture(path, size, seen.digest, seen.thumbnail)
        if seen.problem:
            findings.add("error", seen.problem, f"{path.name}: {seen.detail}")
        else:
            _compare_size(entry, seen.size, place, findings)
    _note_sizes([picture.size for picture in pictures.values()], findings)
    _check_unused(folder, {path.name for path in paths}, findings)
    return pictures


def _check_record(entry: Entry, findings: Findings) -> bool:
    if as_id(entry.get("id")) is None:
        findings.add("error", "an image has no `id` that is a number or text", str(entry)[:100])
        return False
    if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
        findings.add("error", "an image has no `file_name`", f"image {entry['id']}")
        return False
    return True


def _inspect_all(paths: Sequence[Path]) -> list[_Inspected]:
    console = Console(stderr=True)
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(
            track(
                pool.map(_inspect, paths),
                "Reading pictures",
                total=len(paths),
                console=console,
                disable=not console.is_terminal,
            )
        )


def _inspect(path: Path) -> _Inspected:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        image = read_picture(path)
        return _Inspected(digest, image.size, thumbnail(image.pixels))
    except FileNotFoundError:
        return _Inspected(problem="a picture is missing", detail=f"no file in {path.parent}")
    except (OSError, ValueError, PoseError) as error:
        # A file name may be anything, such as one with a null character: that is a ValueError.
        return _Inspected(problem="a picture cannot be read", detail=str(error))


def _stated_size(entry: Entry) -> Size | None:
    width, height = as_number(entry.get("width")), as_number(entry.get("height"))
    if width is None or height is None:
        return None
    return Size(height=round(height), width=round(width))


def _compare_size(entry: Entry, size: Size | None, place: Place, findings: Findings) -> None:
    stated = _stated_size(entry)
    if stated is None:
        findings.add("warning", "an image states no `width` and `height`", place)
    elif size is not None and stated != size:
        seen = f"{size.width} x {size.height}, stated {stated.width} x {stated.height}"
        turned = stated == Size(height=size.width, width=size.height)
        message = (
            "a picture is turned by its EXIF orientation, or its `width` and `height` are swapped: "
            "labels must be in pixels of the upright picture"
            if turned
            else "a picture has another size than its record states: are the labels in its pixels?"
        )
        findings.add("error", message, place.with_detail(seen))


def _note_sizes(sizes: Iterable[Size | None], findings: Findings) -> None:
    sides = [min(size.height, size.width) for size in sizes if size is not None]
    if sides:
        shown = f"shorter side {min(sides)} to {max(sides)}, median {statistics.median(sides):g}"
        findings.add("note", "pictures by their size in pixels", shown, count=len(sides))


def _check_unused(folder: Path, used: set[str], findings: Findings) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES and path.name not in used:
            findings.add("note", "a picture in the folder is not among the images", path.name)
