"""A small YOLO-pose data set with nine joints of its own: the upper bodies of stick people."""

import json
import shutil
from pathlib import Path

import yaml

from tests.training.conftest import HEIGHT, WIDTH, _stick_people
from training.skeletons import COCO

JOINTS = (
    "nose", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_hip", "right_hip",
)  # fmt: skip
MIRROR = (0, 2, 1, 4, 3, 6, 5, 8, 7)


def write_yolo_set(folder: Path, *, train: int = 8, val: int = 4) -> None:
    """Writes `data.yaml`, `images/{train,val}` and `labels/{train,val}`."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    for seed, (split, pictures) in enumerate((("train", train), ("val", val))):
        data = _stick_people(scratch, split, pictures=pictures, seed=seed)
        shutil.copytree(data.images, folder / "images" / split)
        _write_labels(json.loads(data.annotations.read_text()), folder / "labels" / split)
    shutil.rmtree(scratch)
    description = {
        "train": "images/train",
        "val": "images/val",
        "kpt_shape": [len(JOINTS), 3],
        "flip_idx": list(MIRROR),
        "names": {0: "person"},
        "kpt_names": {0: list(JOINTS)},
    }
    (folder / "data.yaml").write_text(yaml.safe_dump(description))


def _write_labels(document: dict, folder: Path) -> None:
    folder.mkdir(parents=True)
    for picture in document["images"]:
        people = [a for a in document["annotations"] if a["image_id"] == picture["id"]]
        rows = (folder / picture["file_name"]).with_suffix(".txt")
        rows.write_text("".join(f"{_row(person)}\n" for person in people))


def _row(person: dict) -> str:
    x, y, width, height = person["bbox"]
    numbers = [
        0,
        (x + width / 2) / WIDTH,
        (y + height / 2) / HEIGHT,
        width / WIDTH,
        height / HEIGHT,
    ]
    for name in JOINTS:
        start = 3 * COCO.names.index(name)
        joint_x, joint_y, visible = person["keypoints"][start : start + 3]
        numbers += [joint_x / WIDTH, joint_y / HEIGHT, visible]
    return " ".join(f"{number:.6g}" for number in numbers)
