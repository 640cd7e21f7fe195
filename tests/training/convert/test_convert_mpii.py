import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

RIGHT_ANKLE, PELVIS, HEAD_TOP, LEFT_WRIST = 0, 6, 9, 15


def struct(entries: list[dict]) -> np.ndarray:
    """A MATLAB structure array: all elements have the same fields."""
    fields = sorted({name for entry in entries for name in entry})
    array = np.empty(len(entries), [(name, object) for name in fields])
    for index, entry in enumerate(entries):
        for name in fields:
            array[index][name] = entry.get(name, [])
    return array


def point(joint: int, x: float, y: float, visible: object) -> dict:
    return {"id": joint, "x": x, "y": y, "is_visible": visible}


def person(*points: dict, head: tuple[float, ...] = (40, 5, 50, 15)) -> dict:
    corners = dict(zip(("x1", "y1", "x2", "y2"), head, strict=True))
    return corners | {"annopoints": {"point": struct(list(points))}, "scale": 0.2}


@pytest.fixture
def release(tmp_path: Path, draw: Callable[..., Path]) -> str:
    """A file of four pictures: two people, nobody labelled, of the test part, missing."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        draw(f"images/{name}")
    first = person(
        point(RIGHT_ANKLE, 31, 61, 1),
        point(PELVIS, 41, 31, "0"),
        point(HEAD_TOP, 41, 9, []),
        point(LEFT_WRIST, 51, 31, 0),
    )
    second = person(point(RIGHT_ANKLE, 71, 61, "1"), point(LEFT_WRIST, 81, 31, 1))
    unlabelled = {"scale": 0.3, "x1": 1, "y1": 1, "x2": 9, "y2": 9}
    people = struct([first, second, unlabelled])
    entries = [
        {"image": {"name": "a.jpg"}, "annorect": people},
        {"image": {"name": "b.jpg"}, "annorect": []},
        {"image": {"name": "c.jpg"}, "annorect": struct([unlabelled])},
        {"image": {"name": "d.jpg"}, "annorect": struct([first])},
    ]
    content = {"annolist": struct(entries), "img_train": np.array([1, 1, 0, 1])}
    savemat(tmp_path / "mpii.mat", {"RELEASE": content})
    return "mpii.mat"


def test_the_mat_file_counts_from_one_and_knows_hidden_joints(
    release: str, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    document = convert("mpii", release, "--skeleton", "native")
    assert [image["file_name"] for image in document["images"]] == ["a.jpg"]
    found = joints(document)
    assert found["right_ankle"] == (30, 60, 2)
    assert found["pelvis"] == (40, 30, 1)
    assert found["head_top"] == (40, 8, 2)
    assert found["left_wrist"] == (50, 30, 1)
    assert found["right_knee"] == (0, 0, 0)
    assert document["annotations"][0]["num_keypoints"] == 4


def test_the_head_belongs_to_the_box(release: str, convert: Callable[..., dict]) -> None:
    x, y, width, height = convert("mpii", release)["annotations"][0]["bbox"]
    assert y < 4
    assert x < 30
    assert x + width > 50
    assert y + height > 60


def test_what_the_mat_file_has_no_labels_for_is_counted(
    release: str, convert: Callable[..., dict]
) -> None:
    said = convert("mpii", release)["said"]
    assert "1 people left out: without joints" in said
    assert "1 pictures left out: nobody in them has joints" in said
    assert "1 pictures left out: of the test part" in said
    assert "1 pictures left out: no such file" in said
    assert "1 people left out with their pictures" in said


def test_in_cocos_joints_sides_stay_the_persons_own_and_others_are_unlabelled(
    release: str, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    document = convert("mpii", release)
    found = joints(document)
    assert len(found) == 17
    assert found["right_ankle"] == (30, 60, 2)
    assert found["left_wrist"] == (50, 30, 1)
    assert found["nose"] == (0, 0, 0)
    assert document["annotations"][0]["num_keypoints"] == 2
    assert "pelvis, thorax, upper_neck, head_top" in document["said"]


def entry(name: str, **changed: object) -> dict:
    joints = [[-1.0, -1.0] for _ in range(16)]
    joints[RIGHT_ANKLE], joints[LEFT_WRIST] = [31.0, 61.0], [51.0, 31.0]
    visible = [int(place[0] > 0) for place in joints]
    fields = {"image": name, "center": [40, 40], "scale": 0.3}
    return fields | {"joints": joints, "joints_vis": visible} | changed


def test_the_json_of_hrnet_counts_from_one_and_groups_people_by_picture(
    tmp_path: Path,
    draw: Callable[..., Path],
    convert: Callable[..., dict],
    joints: Callable[..., dict],
) -> None:
    draw("images/a.jpg")
    (tmp_path / "annot").mkdir()
    untold = {"image": "a.jpg", "center": [1, 1], "scale": 1.0}
    content = [entry("a.jpg"), entry("a.jpg"), untold]
    (tmp_path / "annot" / "train.json").write_text(json.dumps(content))
    document = convert("mpii", "annot/train.json")
    assert len(document["images"]) == 1
    assert len(document["annotations"]) == 2
    assert joints(document)["right_ankle"] == (30, 60, 2)
    assert joints(document)["right_knee"] == (0, 0, 0)
    assert "1 people left out: without joints" in document["said"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{}", "not a list"),
        ("[{}", "not JSON"),
        (json.dumps([{"joints": []}]), "entry 0 has no `image`"),
        (json.dumps([entry("a.jpg", joints=[[1, 2]])]), "entry 0 (a.jpg): expected 16 points"),
        (json.dumps([entry("a.jpg", joints_vis=["x"] * 16)]), "expected 16 points"),
        (json.dumps([entry("gone.jpg")]), "no picture such as gone.jpg"),
    ],
)
def test_a_broken_json_file_is_refused_with_the_place(
    tmp_path: Path, refused: Callable[..., str], content: str, named: str
) -> None:
    (tmp_path / "train.json").write_text(content)
    error = refused("mpii", "train.json")
    assert "train.json" in error or "--images" in error
    assert named in error


def test_a_broken_mat_file_is_refused_with_the_place(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / "text.mat").write_text("no matlab" * 100)
    assert "text.mat is not a .mat file" in refused("mpii", "text.mat")
    savemat(tmp_path / "other.mat", {"joints": np.zeros(3)})
    assert "no variable RELEASE; it has joints" in refused("mpii", "other.mat")
    wrong = [{"image": {"name": "a.jpg"}, "annorect": struct([person(point(16, 1, 1, 1))])}]
    content = {"annolist": struct(wrong), "img_train": np.array([1])}
    savemat(tmp_path / "wrong.mat", {"RELEASE": content})
    error = refused("mpii", "wrong.mat")
    assert "annolist(1).annorect(1)" in error
    assert "id 16" in error
