"""People as COCO keypoint results, the input of COCO's evaluation."""

from collections.abc import Sequence
from typing import TypedDict

from service.inference.types import Person

_PERSON_CATEGORY = 1


class CocoResult(TypedDict):
    """One person; points in pixels of the picture.

    Attributes:
        image_id: of the picture.
        category_id: 1, a person.
        keypoints: x, y, score of each joint, one after the other; `3 K` numbers.
        score: of the person, in 0..1.
        bbox: x, y, width, height.
    """

    image_id: int
    category_id: int
    keypoints: list[float]
    score: float
    bbox: list[float]


def coco_results(persons: Sequence[Person], image_id: int) -> list[CocoResult]:
    """The people of one picture, in their order.

    Source: cocodataset.org, results format, keypoint detection.
    """
    return [
        CocoResult(
            image_id=image_id,
            category_id=_PERSON_CATEGORY,
            keypoints=[
                value for joint in person.keypoints for value in (joint.x, joint.y, joint.score)
            ],
            score=person.score,
            bbox=[person.box.x0, person.box.y0, person.box.width, person.box.height],
        )
        for person in persons
    ]
