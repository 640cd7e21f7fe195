"""PoseTrack, CrowdPose, and COCO files as CVAT exports them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.skeletons import COCO

POSETRACK = ["nose", "head_bottom", "head_top", *COCO.names[3:]]


def keypoints(count: int, labelled: dict[int, tuple[float, float, int]]) -> list[float]:
    return [value for index in range(count) for value in labelled.get(index, (0, 0, 0))]


def write(path: Path, images: list, annotations: list, categories: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))


def frame(video: str, number: int, **more: object) -> dict:
    name = f"images/train/{video}/00000{number}.jpg"
    return {"id": int(f"1{video}{number}"), "file_name": name, "is_labeled": True} | more


@pytest.fixture
def posetrack(tmp_path: Path, draw: Callable[..., Path]) -> str:
    """Two videos; in the first a labelled frame, one without labels, and a region to ignore."""
    category = {"id": 1, "name": "person", "keypoints": POSETRACK}
    seen = keypoints(17, {0: (40, 10, 1), 2: (40, 2, 1), 15: (30, 60, 1), 16: (55, 60, 0)})
    for video in ("000001", "000002"):
        region = {"ignore_regions_x": [[1, 9, 9]], "ignore_regions_y": [[2, 2, 12]]}
        images = [frame(video, 0, **region), frame(video, 1, is_labeled=False)]
        person = {
            "id": int(f"{images[0]['id']}00"),
            "image_id": images[0]["id"],
            "category_id": 1,
            "bbox": [20, 1, 40, 62],
            "keypoints": seen,
            "track_id": 0,
        }
        write(tmp_path / f"annotations/train/{video}.json", images, [person], [category])
        draw(images[0]["file_name"])
    return "annotations/train"


def test_posetrack_videos_become_one_file(
    posetrack: str, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    document = convert("posetrack", posetrack)
    assert [image["file_name"] for image in document["images"]] == [
        "images/train/000001/000000.jpg",
        "images/train/000002/000000.jpg",
    ]
    found = joints(document)
    assert found["nose"] == (40, 10, 2)
    assert found["left_ankle"] == (30, 60, 2)
    assert found["right_ankle"] == (0, 0, 0)
    assert "2 pictures left out: frames without labels" in document["said"]
    assert "head_bottom, head_top" in document["said"]


def test_posetracks_regions_to_ignore_are_neither_people_nor_background(
    posetrack: str, convert: Callable[..., dict]
) -> None:
    document = convert("posetrack", posetrack, "--skeleton", "native")
    crowds = [entry for entry in document["annotations"] if entry["iscrowd"]]
    assert [crowd["bbox"] for crowd in crowds] == [[1, 2, 8, 10]] * 2
    assert document["categories"][0]["keypoints"] == POSETRACK
    assert "2 pictures, 2 people, 2 of them with joints" in document["said"]


def test_crowdpose_gets_edges_of_its_own(
    tmp_path: Path,
    draw: Callable[..., Path],
    convert: Callable[..., dict],
    joints: Callable[..., dict],
) -> None:
    draw("images/7.jpg")
    image = {"id": 7, "file_name": "7.jpg", "width": 96, "height": 64, "crowdIndex": 0.2}
    values = keypoints(14, {0: (50, 20, 2), 1: (30, 20, 1), 12: (40, 5, 2)})
    person = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [20, 2, 40, 60]}
    # As in the real files, edges are COCO's and reach beyond the fourteen joints.
    category = {"id": 1, "name": "person", "keypoints": ["x"] * 14, "skeleton": [[16, 14]]}
    write(tmp_path / "crowdpose.json", [image], [person | {"keypoints": values}], [category])
    native = convert("crowdpose", "crowdpose.json", "--skeleton", "native")
    assert joints(native)["head_top"] == (40, 5, 2)
    assert len(native["categories"][0]["skeleton"]) == 14
    document = convert("crowdpose", "crowdpose.json")
    assert joints(document)["left_shoulder"] == (50, 20, 2)
    assert joints(document)["right_shoulder"] == (30, 20, 1)
    assert document["annotations"][0]["area"] == pytest.approx(0.53 * 40 * 60)


@pytest.fixture
def export(tmp_path: Path, draw: Callable[..., Path]) -> Callable[..., str]:
    """A file as CVAT exports it: a skeleton with three points, and a label without."""

    def write_export(**changed: Any) -> str:
        draw("images/train/a.png")
        person = {
            "id": 1,
            "image_id": 1,
            "category_id": 2,
            "segmentation": [],
            "iscrowd": 0,
            "attributes": {"occluded": False},
            "bbox": [10, 10, 40, 40],
            "area": 1600.0,
            # Seen, occluded, and outside: CVAT keeps the place of the last.
            "keypoints": [20, 20, 2, 30, 30, 1, 5, 5, 0],
            "num_keypoints": 1,
        }
        box = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}
        content: dict[str, Any] = {
            "images": [{"id": 1, "file_name": "a.png", "width": 96, "height": 64}],
            "annotations": [person, box],
            "categories": [
                {"id": 1, "name": "ball"},
                {
                    "id": 2,
                    "name": "skier",
                    "keypoints": ["head", "Left ski", "Right ski"],
                    "skeleton": [[1, 2], [1, 3]],
                },
            ],
        }
        path = tmp_path / "annotations" / "person_keypoints_train.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content | changed))
        return "annotations/person_keypoints_train.json"

    return write_export


def test_cvats_joints_keep_their_names_edges_and_sides(
    export: Callable[..., str], convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    document = convert("coco", export())
    assert joints(document) == {
        "head": (20, 20, 2),
        "Left ski": (30, 30, 1),
        "Right ski": (0, 0, 0),
    }
    (category,) = document["categories"]
    assert category["skeleton"] == [[1, 2], [1, 3]]
    assert category["flip_pairs"] == [[1, 2]]
    assert len(category["sigmas"]) == 3
    (person,) = document["annotations"]
    assert person["num_keypoints"] == 2
    assert person["area"] == 1600
    assert person["category_id"] == category["id"]
    assert "1 annotations left out: of another category" in document["said"]


def test_parts_with_folders_of_their_own_become_one_file(
    export: Callable[..., str],
    draw: Callable[..., Path],
    tmp_path: Path,
    convert: Callable[..., dict],
) -> None:
    source = tmp_path / export()
    draw("images/val/a.png")
    (source.parent / "person_keypoints_val.json").write_bytes(source.read_bytes())
    document = convert("coco", "annotations")
    assert [image["file_name"] for image in document["images"]] == ["train/a.png", "val/a.png"]
    assert len(document["annotations"]) == 2


def test_cocos_joints_in_another_order_and_spelling_become_cocos(
    export: Callable[..., str], convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    names = [name.replace("_", " ").title() for name in reversed(COCO.names)]
    category = {"id": 2, "name": "person", "keypoints": names, "skeleton": []}
    values = keypoints(17, {16: (20, 20, 2), 0: (30, 60, 2)})
    person = {"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 10, 40, 50]}
    document = convert(
        "coco", export(categories=[category], annotations=[person | {"keypoints": values}])
    )
    assert document["categories"][0]["keypoints"] == list(COCO.names)
    assert joints(document)["nose"] == (20, 20, 2)
    assert joints(document)["right_ankle"] == (30, 60, 2)


def test_of_several_categories_one_must_be_named(
    export: Callable[..., str], convert: Callable[..., dict], refused: Callable[..., str]
) -> None:
    categories = [
        {"id": index, "name": name, "keypoints": ["head", "left", "right"]}
        for index, name in ((1, "dog"), (2, "person"), (3, "cat"))
    ]
    joints = {"keypoints": [20, 20, 2, 30, 30, 2, 0, 0, 0], "bbox": [10, 10, 30, 30]}
    annotations = [{"id": n, "image_id": 1, "category_id": n} | joints for n in (1, 2, 3)]
    source = export(categories=categories, annotations=annotations)
    error = refused("coco", source)
    assert "dog, person, cat" in error
    assert "--category" in error
    assert "none named 'horse'" in refused("coco", source, "--category", "horse")
    assert len(convert("coco", source, "--category", "person")["annotations"]) == 1
    both = convert("coco", source, "--category", "dog,person")
    assert len(both["annotations"]) == 2
    categories[0]["keypoints"] = ["tail"]
    source = export(categories=categories, annotations=annotations)
    assert "different keypoints" in refused("coco", source, "--category", "dog,person")


PERSON = {"id": 5, "image_id": 1, "category_id": 2, "bbox": [1, 1, 9, 9]}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"annotations": "none"}, "`annotations` is missing or not a list"),
        ({"images": [{"id": 1}]}, "image number 0 has no `id` or no `file_name`"),
        ({"annotations": [PERSON | {"keypoints": [1, 2]}]}, "annotation 5: `keypoints` has 2"),
        ({"annotations": [PERSON | {"keypoints": [1, 2, 7] * 3}]}, "v is not 0, 1 or 2"),
        ({"annotations": [PERSON | {"image_id": 8}]}, "`image_id` 8 is not among the images"),
        ({"annotations": [PERSON | {"bbox": [1, 2]}]}, "annotation 5: `bbox` is not four"),
        ({"images": [{"id": n, "file_name": "a.png"} for n in (1, 2)]}, "a.png stands in"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_the_place(
    export: Callable[..., str], refused: Callable[..., str], changed: dict, named: str
) -> None:
    error = refused("coco", export(**changed))
    assert named in error
    assert "person_keypoints_train.json" in error
