"""People who walk: boxes with joints that stay in their place within them."""

import numpy as np

from service.inference.types import Box, Keypoint, Person
from tests.service.conftest import COCO_SKELETON

K = len(COCO_SKELETON.names)
WIDTH, HEIGHT = 40.0, 100.0
_PLACES = np.random.default_rng(7).uniform(0.05, 0.95, (K, 2))


def person(x, y=100.0, *, score=0.9, mirrored=False, joint_score=0.9, height=HEIGHT, jitter=None):
    """Somebody whose box's left upper corner is at (x, y); mirrored is another pose.

    Joints are moved by `jitter`, `[K, 2]` pixels.
    """
    width = height * WIDTH / HEIGHT
    places = _PLACES[::-1] if mirrored else _PLACES
    if jitter is not None:
        places = places + jitter / (width, height)
    joints = tuple(
        Keypoint(name, float(x + width * u), float(y + height * v), joint_score)
        for name, (u, v) in zip(COCO_SKELETON.names, places, strict=True)
    )
    return Person(score, Box.from_xywh(x, y, width, height), joints)


def points(one: Person) -> np.ndarray:
    return np.array([(joint.x, joint.y) for joint in one.keypoints])
