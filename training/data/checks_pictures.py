"""Checks of a COCO file's pictures: there, readable, of the stated size, each only once."""

import hashlib
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from service.inference.cores import available_cores
from service.inference.errors import PoseError
from service.inference.types import Size
from training.data.findings import Entry, Findings, Id, as_id, as_number
from training.data.pictures import read_picture

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp"))


@dataclass(frozen=True, slots=True)
class _Inspected:
    """What reading a file gave: its digest and size, or the problem."""

    digest: str = ""
    size: Size | None = None
    problem: str = ""
    detail: str = ""


def check_pictures(
    images: Sequence[Entry], folder: Path, findings: Findings
) -> Mapping[Id, Size | None]:
    """Reads every picture; the size of each image id, None where it is unknown."""
    if not images:
        findings.add("error", "`images` is empty: there is no picture")
    named = [entry for entry in images if _check_record(entry, findings)]
    paths = [folder / str(entry["file_name"]) for entry in named]
    sizes: dict[Id, Size | None] = {}
    same: dict[str, list[str]] = defaultdict(list)
    for entry, path, seen in zip(named, paths, _inspect_all(paths), strict=True):
        place = f"{entry['file_name']} (image {entry['id']})"
        identity = as_id(entry["id"])
        if identity is None:
            continue
        if identity in sizes:
            findings.add("error", "two images have the same id", place)
        sizes[identity] = seen.size or _stated_size(entry)
        if seen.problem:
            findings.add("error", seen.problem, f"{path.name}: {seen.detail}")
        else:
            same[seen.digest].append(str(entry["file_name"]))
            _compare_size(entry, seen.size, place, findings)
    _note_sizes(sizes.values(), findings)
    _check_copies(same, findings)
    _check_unused(folder, {path.name for path in paths}, findings)
    return sizes


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
        return _Inspected(digest=digest, size=read_picture(path).size)
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


def _compare_size(entry: Entry, size: Size | None, place: str, findings: Findings) -> None:
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
        findings.add("error", message, f"{place}: {seen}")


def _note_sizes(sizes: Iterable[Size | None], findings: Findings) -> None:
    sides = [min(size.height, size.width) for size in sizes if size is not None]
    if sides:
        shown = f"shorter side {min(sides)} to {max(sides)}, median {statistics.median(sides):g}"
        findings.add("note", "pictures by their size in pixels", shown, count=len(sides))


def _check_copies(same: Mapping[str, list[str]], findings: Findings) -> None:
    for names in same.values():
        if len(names) > 1:
            message = "pictures with the same bytes"
            findings.add("warning", message, " = ".join(names[:4]), count=len(names) - 1)


def _check_unused(folder: Path, used: set[str], findings: Findings) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES and path.name not in used:
            findings.add("note", "a picture in the folder is not among the images", path.name)
