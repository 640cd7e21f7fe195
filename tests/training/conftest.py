"""A small labelled data set: stick people on noise, drawn where their joints are."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.config import DataSet
from training.skeletons import COCO

WIDTH, HEIGHT = 224, 160
COLUMN = WIDTH / 3

# A person who faces the camera, in units of its height; the left side is on the viewer's right.
STANDING = np.array(
    [
        (0.00, 0.09), (0.025, 0.07), (-0.025, 0.07), (0.055, 0.08), (-0.055, 0.08),
        (0.11, 0.20), (-0.11, 0.20), (0.17, 0.35), (-0.17, 0.35), (0.20, 0.50), (-0.20, 0.50),
        (0.075, 0.52), (-0.075, 0.52), (0.085, 0.74), (-0.085, 0.74), (0.09, 0.96), (-0.09, 0.96),
    ]
)  # fmt: skip
LEFT, RIGHT, MIDDLE = (230, 60, 40), (40, 90, 230), (245, 215, 170)

StickPeople = Callable[..., DataSet]


@pytest.fixture
def stick_people(tmp_path: Path) -> StickPeople:
    """Call it with a name, a number of pictures and a seed: it writes a COCO file and its pictures.

    The same arguments give the same pictures: 224x160 PNGs with one to three people side by side.
    About one joint in ten is labelled as hidden and one in twenty is not labelled.
    """
    return partial(_stick_people, tmp_path)


@pytest.fixture(scope="session")
def stick_people_for_all(tmp_path_factory: pytest.TempPathFactory) -> StickPeople:
    """The same for fixtures that outlive a test; do not change what it writes."""
    return partial(_stick_people, tmp_path_factory.mktemp("stick_people"))


def _stick_people(
    parent: Path, name: str = "train", *, pictures: int = 6, seed: int = 0
) -> DataSet:
    rng = np.random.default_rng(seed)
    folder = parent / name
    folder.mkdir()
    document = {"images": [], "annotations": [], "categories": [_category()]}
    for number in range(1, pictures + 1):
        _add_picture(document, folder, number, rng)
    annotations = parent / "annotations" / f"person_keypoints_{name}.json"
    annotations.parent.mkdir(exist_ok=True)
    annotations.write_text(json.dumps(document))
    return DataSet(annotations=annotations, images=folder)


def _add_picture(document: dict, folder: Path, number: int, rng: np.random.Generator) -> None:
    pixels = rng.integers(60, 140, (HEIGHT, WIDTH, 3), np.uint8)
    file_name = f"{number:03}.png"
    document["images"].append(
        {"id": number, "file_name": file_name, "width": WIDTH, "height": HEIGHT}
    )
    for place in rng.permutation(3)[: rng.integers(1, 4)]:
        person_height = rng.uniform(80, 140)
        foot = np.array([(place + 0.5) * COLUMN, HEIGHT - rng.uniform(2, 16)])
        joints = _pose(person_height, foot, rng)
        _draw(pixels, joints, person_height)
        annotation = _annotation(joints, person_height, number, rng)
        document["annotations"].append(annotation | {"id": len(document["annotations"]) + 1})
    cv2.imwrite(str(folder / file_name), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


def _pose(height: float, foot: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Joints `[17, 2]` in picture pixels: a standing person with restless arms and legs."""
    joints = STANDING.copy()
    for start in (7, 8, 13, 14):
        joints[start] += rng.normal(0, 0.015, 2)
        joints[start + 2] += rng.normal(0, 0.025, 2)
    return foot + (joints - (0, 1)) * height


def _draw(pixels: np.ndarray, joints: np.ndarray, height: float) -> None:
    thickness = max(2, round(height / 30))
    # OpenCV counts from the middle of the first pixel.
    points = [(round(x - 0.5), round(y - 0.5)) for x, y in joints.tolist()]
    for a, b in COCO.edges:
        cv2.line(pixels, points[a], points[b], _colour(a, b), thickness)
    head = points[0]
    cv2.circle(pixels, head, round(height * 0.06), MIDDLE, -1)
    for index in (1, 2, 9, 10, 15, 16):
        cv2.circle(pixels, points[index], thickness // 2, _colour(index, index), -1)


def _colour(a: int, b: int) -> tuple[int, int, int]:
    sides = {COCO.names[a].split("_")[0], COCO.names[b].split("_")[0]}
    if sides == {"left"}:
        return LEFT
    return RIGHT if sides == {"right"} else MIDDLE


def _annotation(joints: np.ndarray, height: float, image_id: int, rng: np.random.Generator) -> dict:
    margin = 0.04 * height
    x0, y0 = np.maximum(joints.min(axis=0) - margin, 0)
    x1, y1 = np.minimum(joints.max(axis=0) + margin, (WIDTH, HEIGHT))
    visible = rng.choice([0, 1, 2], 17, p=[0.05, 0.1, 0.85])
    keypoints = np.column_stack([joints.round(2), visible]) * (visible > 0)[:, None]
    return {
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": int((visible > 0).sum()),
        "keypoints": keypoints.ravel().tolist(),
        "bbox": [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)],
        "area": round(float(0.53 * (x1 - x0) * (y1 - y0)), 2),
    }


def _category() -> dict:
    return {
        "id": 1,
        "name": "person",
        "keypoints": list(COCO.names),
        "skeleton": [[a + 1, b + 1] for a, b in COCO.edges],
    }
