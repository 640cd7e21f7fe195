"""Finds and reads the files of a data set."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import cast

from service.inference.errors import InvalidData
from training.data.convert.labels import Source
from training.data.findings import Entry

_LEVELS_UP = 3
_TRIED_NAMES = 50


def read_json(path: Path) -> object:
    """The content of a JSON file.

    Raises:
        InvalidData: it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidData(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not JSON: {error}") from error


def read_object(path: Path) -> Entry:
    """The content of a JSON file that holds an object.

    Raises:
        InvalidData: as `read_json`, or it holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InvalidData(f"{path} holds a JSON {type(content).__name__}; expected an object")
    return cast("Entry", content)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        InvalidData: it cannot be read or is no text.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidData(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidData(f"{path} is not text: {error}") from error


def json_files(path: Path) -> list[Path]:
    """The file itself, or all JSON files of a folder in the order of their names.

    Raises:
        InvalidData: there is none.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InvalidData(f"{path} has no .json file in it")
    return files


def find_images(source: Source, names: Sequence[str]) -> Path:
    """The folder below which pictures of these names lie.

    Without one given it is looked for beside the labels and up to three levels above, in COCO's,
    CVAT's and the usual layouts.

    Raises:
        InvalidData: none of the pictures is found.
    """
    tried = names[:_TRIED_NAMES]
    folders = [source.images] if source.images is not None else _likely_folders(source.path)
    for folder in folders:
        if any((folder / name).is_file() for name in tried):
            return shortened(folder)
    where = source.images or f"{source.path.parent} and the folders around it"
    example = f"such as {names[0]}" if names else "named in the labels"
    raise InvalidData(f"images: no picture {example} in {where}; name their folder with --images")


def _likely_folders(labels: Path) -> list[Path]:
    start = labels.absolute()
    above = [start, *start.parents] if start.is_dir() else list(start.parents)
    part = labels.stem.removeprefix("person_keypoints_")
    inner = ("", "images", part, f"images/{part}")
    return [folder / name for folder, name in product(above[:_LEVELS_UP], inner)]


def shortened(path: Path) -> Path:
    """Relative to the working directory if it lies in it; for messages and commands."""
    absolute, here = path.absolute(), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
