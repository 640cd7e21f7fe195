import json
from collections.abc import Callable

from training.config import DataSet
from training.data.coco import read_coco
from training.data.sets import doubts

StickPeople = Callable[..., DataSet]


def test_different_sets_raise_no_doubt(stick_people: StickPeople) -> None:
    train, val = read_coco(stick_people("train")), read_coco(stick_people("val"))
    assert doubts([train], [val]) == []
    assert doubts([train], []) == []


def test_a_file_given_twice_is_noticed(stick_people: StickPeople) -> None:
    data = stick_people("train")
    (doubt,) = doubts([read_coco(data)] * 2, [])
    assert "person_keypoints_train.json is given 2 times" in doubt
    assert "weight" in doubt


def test_pictures_that_are_measured_and_trained_on_are_counted(stick_people: StickPeople) -> None:
    data = stick_people("train", pictures=6)
    document = json.loads(data.annotations.read_text())
    document["images"] = document["images"][4:]
    half = data.annotations.with_name("half.json")
    half.write_text(json.dumps(document))
    part = data.model_copy(update={"annotations": half})
    (doubt,) = doubts([read_coco(data)], [read_coco(part)])
    assert f"2 of the 2 pictures of {half}" in doubt
    assert "005.png" in doubt
