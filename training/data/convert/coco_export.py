"""COCO keypoint files as CVAT and other tools export them, with own joints and categories."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from service.inference.card import Skeleton
from service.inference.errors import InvalidData, InvalidInput
from training.data.convert.coco_records import CocoRecords, section
from training.data.convert.files import find_images, json_files, read_object
from training.data.convert.labels import LabelledPicture, LabelledSet, Source
from training.data.convert.skeletons import named_skeleton
from training.data.findings import Entry, Findings, as_id, as_list, as_numbers


def read_coco_export(source: Source, findings: Findings) -> LabelledSet:
    """Reads one COCO keypoint file, or all of a folder.

    Of several categories with keypoints one must be named, or several that have the same. A joint
    with v = 0 is not labelled, also where it has a place, as CVAT's `outside` points have.

    Raises:
        InvalidData: a file cannot be read or contradicts itself or another one.
        InvalidInput: a category must be named or does not exist, or names are too many or few.

    Source: cocodataset.org, format-data; CVAT's manual, "COCO Keypoints".
    """
    files = [(path, read_object(path)) for path in json_files(source.path)]
    sets = [_read_file(source, path, document, findings) for path, document in files]
    first = sets[0].skeleton
    for (path, _), labels in zip(files, sets, strict=True):
        if labels.skeleton.names != first.names:
            raise InvalidData(
                f"{path} has the keypoints {', '.join(labels.skeleton.names)}, "
                f"but {files[0][0]} has {', '.join(first.names)}"
            )
    # CVAT puts the pictures of every part into a folder of its own.
    root = Path(os.path.commonpath([labels.images for labels in sets]))
    pictures = [
        dataclasses.replace(picture, file_name=(folder / picture.file_name).as_posix())
        for labels in sets
        for folder in [labels.images.relative_to(root)]
        for picture in labels.pictures
    ]
    return LabelledSet(first, root, pictures)


def _read_file(source: Source, path: Path, document: Entry, findings: Findings) -> LabelledSet:
    chosen = _people_categories(source, path, document)
    skeleton = _skeleton(path, chosen, source.keypoint_names)
    ids = frozenset(
        identity for entry in chosen if (identity := as_id(entry.get("id"))) is not None
    )
    pictures: dict[str, LabelledPicture] = {}
    records = CocoRecords(len(skeleton.names), findings, categories=ids)
    records.add(pictures, path, document)
    images = find_images(dataclasses.replace(source, path=path), list(pictures))
    return LabelledSet(skeleton, images, list(pictures.values()))


def _people_categories(source: Source, path: Path, document: Entry) -> list[Entry]:
    categories = section(path, document, "categories")
    usable = [entry for entry in categories if entry.get("keypoints")]
    names = [entry.get("name") for entry in usable]
    shown = ", ".join(map(str, names)) or "none"
    for wanted in source.categories:
        if wanted not in names:
            raise InvalidInput(
                f"category: {path} has none named {wanted!r} with keypoints; it has {shown}"
            )
    if source.categories:
        return [entry for entry in usable if entry.get("name") in source.categories]
    if len(usable) != 1:
        raise InvalidInput(
            f"category: {path} has {len(usable)} categories with keypoints ({shown}); "
            "expected one, or --category NAME"
        )
    return usable


def _skeleton(path: Path, chosen: Sequence[Entry], renamed: Sequence[str]) -> Skeleton:
    names = [[str(name) for name in as_list(entry["keypoints"]) or []] for entry in chosen]
    if any(other != names[0] for other in names):
        raise InvalidData(f"{path}: the categories have different keypoints: {names}")
    if renamed and len(renamed) != len(names[0]):
        raise InvalidInput(
            f"keypoint_names has {len(renamed)} names; {path} has {len(names[0])} keypoints"
        )
    edges: list[tuple[int, int]] = []
    for edge in as_list(chosen[0].get("skeleton")) or []:
        ends = as_numbers(edge)
        if ends is None or len(ends) != 2:
            raise InvalidData(f"{path}: `skeleton` has the edge {edge}; expected two numbers")
        edges.append((int(ends[0]) - 1, int(ends[1]) - 1))
    # A category without edges gets COCO's, between the joints that COCO knows.
    return named_skeleton(renamed or names[0], edges=edges or None)
