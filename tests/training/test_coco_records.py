import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from service.inference.errors import InvalidData
from service.inference.types import Box
from training.config import DataSet
from training.data.coco import common_skeleton, people, pictures, read_coco
from training.skeletons import COCO

StickPeople = Callable[..., DataSet]


def document_of(data: DataSet) -> dict:
    return json.loads(data.annotations.read_text())


def rewrite(data: DataSet, document: object) -> DataSet:
    data.annotations.write_text(json.dumps(document))
    return data


def test_people_have_joints_and_boxes_in_pixels(stick_people: StickPeople) -> None:
    data = stick_people()
    records = people(read_coco(data))
    annotations = document_of(data)["annotations"]
    assert len(records) == len(annotations)
    first, truth = records[0], annotations[0]
    assert first.picture == data.images / "001.png"
    assert first.box == Box.from_xywh(*truth["bbox"])
    assert first.joints.shape == (17, 3)
    np.testing.assert_allclose(first.joints.ravel(), truth["keypoints"], rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"num_keypoints": 0, "keypoints": [0] * 51},
        {"iscrowd": 1},
        {"bbox": [10, 10, 0.5, 30]},
    ],
    ids=["unlabelled", "crowd", "no width"],
)
def test_who_cannot_be_learned_from_is_left_out(stick_people: StickPeople, change: dict) -> None:
    data = stick_people()
    document = document_of(data)
    document["annotations"][0] |= change
    records = people(read_coco(rewrite(data, document)))
    assert len(records) == len(document["annotations"]) - 1


def test_pictures_hold_people_and_crowds_apart_and_may_be_empty(stick_people: StickPeople) -> None:
    data = stick_people(pictures=3)
    document = document_of(data)
    document["annotations"] = [one for one in document["annotations"] if one["image_id"] == 1][:1]
    document["annotations"].append(document["annotations"][0] | {"id": 99, "iscrowd": 1})
    records = pictures(read_coco(rewrite(data, document)))
    box = Box.from_xywh(*document["annotations"][0]["bbox"])
    assert [(record.boxes, record.crowds) for record in records] == [
        ((box,), (box,)),
        ((), ()),
        ((), ()),
    ]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "is not JSON"),
        ('{"images": [], "annotations": []}', "lacks .'categories'"),
        ('{"images": [], "annotations": [], "categories": []}', "lacks categories"),
    ],
)
def test_broken_file_is_named(stick_people: StickPeople, content: str, named: str) -> None:
    data = stick_people()
    data.annotations.write_text(content)
    with pytest.raises(InvalidData, match=named) as caught:
        read_coco(data)
    assert str(data.annotations) in str(caught.value)


def test_missing_folder_or_file_is_named(stick_people: StickPeople, tmp_path: Path) -> None:
    data = stick_people()
    with pytest.raises(InvalidData, match="no folder"):
        read_coco(data.model_copy(update={"images": tmp_path / "none"}))
    with pytest.raises(InvalidData, match="cannot read"):
        read_coco(data.model_copy(update={"annotations": tmp_path / "none.json"}))


def test_files_with_other_joints_are_not_mixed(stick_people: StickPeople) -> None:
    one, other = stick_people("one"), stick_people("other")
    document = document_of(other)
    document["categories"][0]["keypoints"][0] = "chin"
    files = [read_coco(one), read_coco(rewrite(other, document))]
    assert common_skeleton(files[:1]) == COCO
    with pytest.raises(InvalidData, match="chin"):
        common_skeleton(files)
    with pytest.raises(InvalidData, match="no annotation file"):
        common_skeleton([])


def test_folder_is_found_in_cocos_layout_or_beside_the_file(
    stick_people: StickPeople, tmp_path: Path
) -> None:
    made = stick_people("train")
    assert DataSet.model_validate(str(made.annotations)) == made
    elsewhere = tmp_path / "set" / "labels.json"
    assert DataSet.model_validate(str(elsewhere)).images == tmp_path / "set" / "images"


def test_folder_and_weight_may_be_given_in_the_text() -> None:
    data = DataSet.model_validate("a.json:photos:0.5")
    assert data == DataSet(annotations=Path("a.json"), images=Path("photos"), weight=0.5)
    with pytest.raises(ValidationError, match="weight"):
        DataSet.model_validate("a.json:photos:-1")


def test_files_that_mirror_their_joints_otherwise_are_not_mixed(stick_people: StickPeople) -> None:
    one, other = stick_people("one"), stick_people("other")
    document = document_of(other)
    document["categories"][0]["flip_pairs"] = [[1, 4], [2, 3]]
    files = [read_coco(one), read_coco(rewrite(other, document))]
    with pytest.raises(InvalidData, match="flip_pairs"):
        common_skeleton(files)


def test_a_person_with_a_wrong_number_of_keypoints_is_named(stick_people: StickPeople) -> None:
    data = stick_people()
    document = document_of(data)
    document["annotations"][1]["keypoints"] += [1, 2, 2]
    with pytest.raises(InvalidData, match=r"annotation 2 .* has 54 numbers .* expected 51"):
        people(read_coco(rewrite(data, document)))
