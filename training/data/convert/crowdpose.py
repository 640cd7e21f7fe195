"""CrowdPose: a COCO-like JSON file with fourteen joints."""

from training.data.convert import skeletons
from training.data.convert.coco_records import CocoRecords
from training.data.convert.files import find_images, json_files, read_object
from training.data.convert.labels import LabelledPicture, LabelledSet, Source
from training.data.findings import Findings


def read_crowdpose(source: Source, findings: Findings) -> LabelledSet:
    """Reads a file such as `crowdpose_trainval.json`; v means what it means in COCO.

    Raises:
        InvalidData: the file cannot be read or contradicts itself.

    Source: Li et al. 2019, the README of the data set and `crowdposetools`.
    """
    skeleton = skeletons.crowdpose()
    records = CocoRecords(len(skeleton.names), findings)
    pictures: dict[str, LabelledPicture] = {}
    for path in json_files(source.path):
        records.add(pictures, path, read_object(path))
    return LabelledSet(skeleton, find_images(source, list(pictures)), list(pictures.values()))
