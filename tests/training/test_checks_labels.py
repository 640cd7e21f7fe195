import json
from collections.abc import Callable

import numpy as np
import pytest

from training.config import DataSet
from training.data.checks import check_sets
from training.data.findings import Finding
from training.skeletons import COCO

StickPeople = Callable[..., DataSet]
Change = Callable[[dict], None]


def suspicions(data: DataSet, change: Change) -> list[Finding]:
    document = json.loads(data.annotations.read_text())
    change(document)
    data.annotations.write_text(json.dumps(document))
    return [one for one in check_sets([data]).sets[0].findings if one.severity == "warning"]


def joints_of(person: dict) -> np.ndarray:
    return np.array(person["keypoints"], float).reshape(-1, 3)


def put_joints(person: dict, joints: np.ndarray) -> None:
    person["keypoints"] = joints.ravel().tolist()
    person["num_keypoints"] = int((joints[:, 2] > 0).sum())


def victim(document: dict) -> dict:
    """The one with the most labels, so that no rule has too little to go by."""
    return max(document["annotations"], key=lambda person: person["num_keypoints"])


def swap_hips(document: dict) -> None:
    joints = joints_of(victim(document))
    joints[[11, 12]] = joints[[12, 11]]
    put_joints(victim(document), joints)


def mirror(document: dict) -> None:
    put_joints(victim(document), joints_of(victim(document))[COCO.flip_order()])


def long_arm(document: dict) -> None:
    person = victim(document)
    joints = joints_of(person)
    joints[9, :2] = joints[7, :2] + (0, -0.9 * person["bbox"][3])
    put_joints(person, joints)


def one_point(document: dict) -> None:
    joints = joints_of(victim(document))
    joints[:, :2] = joints[0, :2]
    put_joints(victim(document), joints)


def box_of_the_picture(document: dict) -> None:
    victim(document)["bbox"] = [0, 0, 224, 160]
    joints = joints_of(victim(document))
    joints[:, :2] = 20 + 0.3 * (joints[:, :2] - joints[:, :2].min(axis=0))
    put_joints(victim(document), joints)


def box_of_another(document: dict) -> None:
    x, y, width, height = victim(document)["bbox"]
    victim(document)["bbox"] = [x + 0.45 * width, y + 0.45 * height, width / 2, height / 2]


def copied(document: dict) -> None:
    again = dict(victim(document), id=999)
    joints = joints_of(again)
    joints[:, :2] += 0.4
    put_joints(again, joints)
    document["annotations"].append(again)


def copied_box(document: dict) -> None:
    x, y, width, height = victim(document)["bbox"]
    box = [x + 1, y, width, height]
    unlabelled = {"id": 999, "bbox": box, "num_keypoints": 0, "keypoints": []}
    document["annotations"].append(victim(document) | unlabelled)


@pytest.mark.parametrize(
    ("change", "message", "detail"),
    [
        (swap_hips, "left and right of some joints look swapped", "left_hip and right_hip"),
        (mirror, "a face to the camera has its left eye right", "the eyes"),
        (long_arm, "three times as far apart", "left_elbow to left_wrist"),
        (one_point, "all joints of a person lie at one point", "joints at ("),
        (box_of_the_picture, "a box is much larger than the joints in it", "of its sides"),
        (box_of_another, "half of a person's joints or more lie outside", " joints"),
        (copied, "a person is annotated twice", "as annotation"),
        (copied_box, "a person is annotated twice", "as annotation"),
    ],
)
def test_suspicious_label_is_shown_with_its_place(
    stick_people: StickPeople, change: Change, message: str, detail: str
) -> None:
    data = stick_people(pictures=24)
    person = victim(json.loads(data.annotations.read_text()))
    (finding,) = (one for one in suspicions(data, change) if message in one.message)
    assert finding.count == 1
    assert detail in finding.examples[0]
    (place,) = finding.places
    assert place.pictures == (data.images / f"{person['image_id']:03}.png",)
    assert place.person == (person["id"] - 1 if "copied" not in change.__name__ else place.person)


def test_nobody_is_suspected_without_reason(stick_people: StickPeople) -> None:
    assert suspicions(stick_people(pictures=24), lambda _: None) == []


def test_the_worst_comes_first(stick_people: StickPeople) -> None:
    data = stick_people(pictures=12)

    def change(document: dict) -> None:
        people = document["annotations"][:4]
        for times, person in zip((0.5, 0.7, 0.9, 0.6), people, strict=True):
            joints = joints_of(person)
            joints[:, 2] = 2
            joints[9, :2] = joints[7, :2] + (0, -times * 2 * person["bbox"][3])
            put_joints(person, joints)

    findings = suspicions(data, change)
    (finding,) = (one for one in findings if "three times as far apart" in one.message)
    assert [place.person for place in finding.places] == [2, 1, 3, 0]


def test_people_side_by_side_are_not_the_same(stick_people: StickPeople) -> None:
    def move_together(document: dict) -> None:
        person = document["annotations"][0]
        x, y, width, height = person["bbox"]
        joints = joints_of(person)
        joints[:, 0] += 0.2 * width * (joints[:, 2] > 0)
        other = person | {"id": 999, "bbox": [x + 0.2 * width, y, width, height]}
        put_joints(other, joints)
        document["annotations"].append(other)

    findings = suspicions(stick_people(pictures=12), move_together)
    assert not any("twice" in one.message for one in findings)


def test_a_skeleton_without_sides_or_edges_is_no_obstacle(stick_people: StickPeople) -> None:
    def change(document: dict) -> None:
        names = [f"point {index}" for index in range(17)]
        document["categories"][0] |= {"keypoints": names, "skeleton": [], "flip_pairs": []}

    assert suspicions(stick_people(), change) == []
