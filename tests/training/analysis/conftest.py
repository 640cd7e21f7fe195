"""Scenes of five-jointed people, with answers that are wrong in a known way."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from service.inference.card import Skeleton
from training.comparison import box_comparison, keypoint_comparison
from training.data.coco import CocoFile
from training.evaluation import GROUND_TRUTH, Evaluation
from training.measure import Measurement
from training.metrics import coco_metrics

SKELETON = Skeleton(
    names=("top", "left_hand", "right_hand", "left_foot", "right_foot"),
    edges=((0, 1), (0, 2), (0, 3), (0, 4)),
    flip_pairs=((1, 2), (3, 4)),
    sigmas=(0.05,) * 5,
)
TOP, LEFT_HAND, RIGHT_HAND, LEFT_FOOT, RIGHT_FOOT = range(5)
WIDTH, HEIGHT = 100.0, 200.0
# A joint that is d pixels off has a similarity of exp(-d * d / 200).
AREA = 10_000.0
JOINTS = np.array([(50, 10), (95, 80), (5, 80), (70, 190), (30, 190)], float)
PICTURE = (480, 640, 3)


class Scene:
    """People in two pictures and answers about them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.people: list[dict] = []
        self.results: list[dict] = []
        self._asked: list[int] = []

    def person(
        self, x: float = 100.0, *, image_id: int = 1, hidden: tuple[int, ...] = (), scale: float = 1
    ) -> dict:
        joints = np.column_stack([JOINTS * scale + (x, 100), np.full(5, 2)])
        joints[list(hidden)] = 0
        person = {
            "id": 11 + len(self.people),
            "image_id": image_id,
            "category_id": 1,
            "iscrowd": 0,
            "num_keypoints": 5 - len(hidden),
            "keypoints": joints.ravel().tolist(),
            "bbox": [x, 100.0, WIDTH * scale, HEIGHT * scale],
            "area": AREA * scale**2,
        }
        self.people.append(person)
        return person

    def answer(
        self,
        person: dict,
        *,
        score: float = 0.9,
        moved: dict[int, tuple[float, float]] | None = None,
        at: dict[int, tuple[float, float]] | None = None,
        shift: float = 0.0,
        joint_score: float = 0.8,
    ) -> dict:
        """About a person: joints `moved` by an offset, or `at` a place; everything shifted."""
        x, y, width, height = person["bbox"]
        joints = np.column_stack([JOINTS * (height / HEIGHT) + (x, y), np.full(5, joint_score)])
        for joint, offset in (moved or {}).items():
            joints[joint, :2] += offset
        for joint, place in (at or {}).items():
            joints[joint, :2] = place
        joints[:, 0] += shift
        result = {
            "image_id": person["image_id"],
            "category_id": 1,
            "keypoints": joints.ravel().tolist(),
            "bbox": [x + shift, y, width, height],
            "score": score,
        }
        self.results.append(result)
        self._asked.append(self.people.index(person))
        return result

    def nobody(self, *, score: float = 0.9) -> dict:
        """An answer far from everyone."""
        nowhere = {"bbox": [500.0, 300.0, 50.0, 100.0], "image_id": 1}
        self.people.append(nowhere)
        result = self.answer(nowhere, score=score)
        self.people.pop()
        self._asked[-1] = -1
        return result

    def given(self) -> Measurement:
        """With boxes of the truth: it is known whom each answer is for."""
        return self._measurement(GROUND_TRUTH, boxes_only=False)

    def detected(self) -> Measurement:
        """With boxes of a detector."""
        return self._measurement("finder/1", boxes_only=False)

    def boxes(self) -> Measurement:
        """Of a detector alone."""
        return self._measurement("finder/1", boxes_only=True)

    def write_pictures(self) -> None:
        for image_id in (1, 2):
            cv2.imwrite(str(self._folder / f"{image_id}.png"), np.full(PICTURE, 90, np.uint8))

    def _measurement(self, boxes: str, *, boxes_only: bool) -> Measurement:
        images = [
            {"id": image_id, "file_name": f"{image_id}.png", "width": 640, "height": 480}
            for image_id in (1, 2)
        ]
        document = {"images": images, "annotations": self.people, "categories": []}
        comparison = (
            box_comparison(document, self.results)
            if boxes_only
            else keypoint_comparison(document, self.results, SKELETON.sigmas)
        )
        evaluation = Evaluation(
            model="finder/1" if boxes_only else "poser/2",
            provider="none",
            data="val.json",
            boxes=boxes,
            flip_test=False,
            pictures=2,
            people=len(self.people),
            metrics=coco_metrics(comparison),
        )
        data = CocoFile(self._folder / "val.json", self._folder, SKELETON, document)
        asked = list(self._asked) if boxes == GROUND_TRUTH else None
        return Measurement(evaluation, data, list(self.results), comparison, asked)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)
