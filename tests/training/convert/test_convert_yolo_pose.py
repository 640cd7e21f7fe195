from collections.abc import Callable
from pathlib import Path

import pytest

from training.skeletons import COCO

THREE = "kpt_shape: [3, 3]\nnames: {0: person}\nkpt_names: {0: [nose, left_hand, right_hand]}\n"
ROW = "0 0.5 0.5 0.5 0.75 0.5 0.25 2 0.25 0.5 1 0 0 0"

Write = Callable[..., str]


@pytest.fixture
def yolo(tmp_path: Path, draw: Callable[..., Path]) -> Write:
    """Writes a set with one labelled picture; folders as Ultralytics wants them."""

    def write(config: str = THREE, rows: str = ROW, where: str = "train: images/train\n") -> str:
        draw("images/train/a.png")
        (tmp_path / "labels" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / "train" / "a.txt").write_text(rows + "\n")
        (tmp_path / "data.yaml").write_text(where + config)
        return "data.yaml"

    return write


def test_fractions_become_pixels(
    yolo: Write, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    document = convert("yolo-pose", yolo())
    assert joints(document) == {
        "nose": (48, 16, 2),
        "left_hand": (24, 32, 1),
        "right_hand": (0, 0, 0),
    }
    assert document["annotations"][0]["bbox"] == [24, 8, 48, 48]
    assert document["images"][0]["file_name"] == "images/train/a.png"
    assert document["categories"][0]["flip_pairs"] == [[1, 2]]
    assert document["categories"][0]["sigmas"][0] == COCO.sigmas[0]


def test_with_two_values_a_joint_at_or_beyond_the_origin_is_not_labelled(
    yolo: Write, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    config = "kpt_shape: [3, 2]\nnames: [person]\nflip_idx: [0, 2, 1]\n"
    row = "0 0.5 0.5 0.5 0.75 0.5 0.25 0 0 -1 -1"
    document = convert("yolo-pose", yolo(config, row))
    assert joints(document) == {
        "keypoint_0": (48, 16, 2),
        "keypoint_1": (0, 0, 0),
        "keypoint_2": (0, 0, 0),
    }
    assert document["categories"][0]["flip_pairs"] == [[1, 2]]


def test_seventeen_joints_that_mirror_as_cocos_are_cocos(
    yolo: Write, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    config = f"kpt_shape: [17, 3]\nnames: [person]\nflip_idx: {COCO.flip_order()}\n"
    row = "0 0.5 0.5 0.5 0.75 " + "0.5 0.25 2 " * 16 + "0.25 0.5 2"
    document = convert("yolo-pose", yolo(config, row))
    assert document["categories"][0]["keypoints"] == list(COCO.names)
    assert joints(document)["right_ankle"] == (24, 32, 2)


def test_the_flags_name_joints_edges_and_sigmas(yolo: Write, convert: Callable[..., dict]) -> None:
    config = "kpt_shape: [3, 3]\nnames: [person]\n"
    flags = ["--keypoint-names", "top,L,R", "--edges", "top:L,top:R", "--flip-pairs", "L:R"]
    document = convert("yolo-pose", yolo(config), *flags, "--sigmas", "0.1,0.2,0.2")
    (category,) = document["categories"]
    assert category["keypoints"] == ["top", "L", "R"]
    assert category["skeleton"] == [[1, 2], [1, 3]]
    assert category["flip_pairs"] == [[1, 2]]
    assert category["sigmas"] == [0.1, 0.2, 0.2]


def test_own_joints_can_be_written_as_cocos(
    yolo: Write, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    document = convert("yolo-pose", yolo(), "--skeleton", "coco")
    assert joints(document)["nose"] == (48, 16, 2)
    assert len(joints(document)) == 17
    assert document["annotations"][0]["num_keypoints"] == 1
    assert "left_hand, right_hand" in document["said"]


def test_other_classes_and_repeated_rows_are_left_out_and_counted(
    yolo: Write, convert: Callable[..., dict], refused: Callable[..., str]
) -> None:
    config = THREE.replace("names: {0: person}", "names: {0: person, 1: dog}")
    source = yolo(config, "\n".join([ROW, ROW, "1" + ROW[1:], ""]))
    assert "person, dog" in refused("yolo-pose", source)
    document = convert("yolo-pose", source, "--category", "person")
    assert len(document["annotations"]) == 1
    assert "1 people left out: of class dog" in document["said"]
    assert "1 rows left out: they repeat another" in document["said"]


def test_a_picture_without_a_label_file_is_kept_and_counted(
    yolo: Write, draw: Callable[..., Path], convert: Callable[..., dict]
) -> None:
    source = yolo()
    draw("images/train/deep/b.png")
    document = convert("yolo-pose", source)
    assert [image["file_name"] for image in document["images"]] == [
        "images/train/a.png",
        "images/train/deep/b.png",
    ]
    assert "1 pictures without a label file" in document["said"]


@pytest.mark.parametrize(
    "where",
    [
        "path: /nowhere\nval: images/train\n",
        "val: ../images/train\n",
        "val: [images/train]\n",
        "val: list.txt\n",
    ],
)
def test_pictures_are_found_as_folders_and_lists_wherever_the_set_was_moved(
    tmp_path: Path, yolo: Write, convert: Callable[..., dict], where: str
) -> None:
    (tmp_path / "list.txt").write_text("./images/train/a.png\n\n")
    document = convert("yolo-pose", yolo(where=where), "--split", "val")
    assert len(document["annotations"]) == 1


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("kpt_shape: [3]\nnames: [a]\n", "kpt_shape is [3]"),
        ("names: [a]\n", "kpt_shape is None"),
        ("kpt_shape: [3, 3]\n", "names is None"),
        ("kpt_shape: [3, 3]\nnames: {1: a}\n", "names has the keys 1"),
        (THREE + "flip_idx: [1, 2, 0]\n", "flip_idx is [1, 2, 0]"),
        (THREE + "flip_idx: [0, 1]\n", "flip_idx is [0, 1]"),
        (THREE.replace(", right_hand", ""), "kpt_names has 2 names"),
        ("kpt_shape: [", "is not YAML"),
    ],
)
def test_a_broken_configuration_is_refused(
    yolo: Write, refused: Callable[..., str], config: str, named: str
) -> None:
    error = refused("yolo-pose", yolo(config))
    assert named in error
    assert "data.yaml" in error


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("0 0.5 0.5 0.5", "has 4 numbers; expected 14"),
        (ROW.replace("0.25", "x"), "could not convert"),
        ("2" + ROW[1:], "class 2"),
        (ROW.replace("0.25 2", "0.25 0.9"), "not 0, 1 or 2"),
        (ROW.replace("0.25 2", "16 2"), "16 is no fraction"),
        (ROW.replace("0.5 0.75", "nan 0.75"), "expected 14"),
    ],
)
def test_a_broken_row_is_refused_with_its_line(
    yolo: Write, refused: Callable[..., str], row: str, named: str
) -> None:
    error = refused("yolo-pose", yolo(rows=f"{ROW}\n{row}"))
    assert named in error
    assert "a.txt line 2" in error


def test_options_that_do_not_fit_are_refused(yolo: Write, refused: Callable[..., str]) -> None:
    source = yolo()
    assert "no pictures for 'val'; it has train" in refused("yolo-pose", source, "--split", "val")
    assert "keypoint_names has 2" in refused("yolo-pose", source, "--keypoint-names", "a,b")
    assert "no joint 'tail'" in refused("yolo-pose", source, "--edges", "nose:tail")
    assert "sigmas has 1 values" in refused("yolo-pose", source, "--sigmas", "0.1")
    assert "none named 'dog'" in refused("yolo-pose", source, "--category", "dog")
    assert "left_ear:right_ear" in refused("yolo-pose", source, "--edges", "nose")
