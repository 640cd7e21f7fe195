"""PoseTrack 2018 and 2021: one COCO-like JSON file per video."""

from pathlib import Path

from service.inference.errors import InvalidData
from training.data.convert import skeletons
from training.data.convert.coco_records import CocoRecords, section
from training.data.convert.files import find_images, json_files, read_object
from training.data.convert.labels import LabelledPicture, LabelledSet, Source
from training.data.findings import Entry, Findings


def read_posetrack(source: Source, findings: Findings) -> LabelledSet:
    """Reads a folder with one JSON file per video, or one of them.

    Only frames that are labelled are taken (`is_labeled`). A joint's v is 1 where it is seen;
    others have no label. Regions to ignore become crowds, by their boxes.

    Raises:
        InvalidData: a file cannot be read or contradicts itself.

    Source: Andriluka et al. 2018; PoseTrack21's `dataset_structure.md`.
    """
    skeleton = skeletons.posetrack()
    records = CocoRecords(len(skeleton.names), findings, seen_is_one=True)
    pictures: dict[str, LabelledPicture] = {}
    for path in json_files(source.path):
        document = read_object(path)
        _check_names(path, document, skeleton.names)
        records.add(pictures, path, document)
    return LabelledSet(skeleton, find_images(source, list(pictures)), list(pictures.values()))


def _check_names(path: Path, document: Entry, names: tuple[str, ...]) -> None:
    for category in section(path, document, "categories"):
        stated = category.get("keypoints", list(names))
        if stated != list(names):
            raise InvalidData(f"{path} has the keypoints {stated}; PoseTrack's are {list(names)}")
