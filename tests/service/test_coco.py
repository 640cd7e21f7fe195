import json

from service.inference.coco import coco_results
from service.inference.types import Box, Keypoint, Person

PERSON = Person(
    score=0.75,
    box=Box(10.0, 20.0, 40.0, 80.0),
    keypoints=(Keypoint("nose", 1.5, 2.5, 0.9), Keypoint("left_eye", 3.5, 4.5, 0.0)),
)


def test_person_becomes_a_keypoint_result():
    assert coco_results([PERSON], image_id=7) == [
        {
            "image_id": 7,
            "category_id": 1,
            "keypoints": [1.5, 2.5, 0.9, 3.5, 4.5, 0.0],
            "score": 0.75,
            "bbox": [10.0, 20.0, 30.0, 60.0],
        }
    ]


def test_nobody_gives_no_results():
    assert coco_results([], image_id=1) == []


def test_order_is_kept_and_json_can_hold_it():
    other = Person(score=0.1, box=PERSON.box, keypoints=PERSON.keypoints)

    results = json.loads(json.dumps(coco_results([PERSON, other], image_id=1)))

    assert [result["score"] for result in results] == [0.75, 0.1]


def test_pycocotools_reads_the_results(bundles, tmp_path):
    from pycocotools.coco import COCO

    joints = tuple(Keypoint(name, 5.0, 6.0, 1.0) for name in bundles.skeleton.names)
    person = Person(score=0.5, box=PERSON.box, keypoints=joints)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": 3}], "annotations": [], "categories": []}))
    results = tmp_path / "results.json"
    results.write_text(json.dumps(coco_results([person], image_id=3)))

    loaded = COCO(str(truth)).loadRes(str(results))

    assert len(loaded.anns) == 1
