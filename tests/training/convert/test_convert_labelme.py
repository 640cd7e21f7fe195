import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.skeletons import COCO

Write = Callable[..., str]


def point(label: str, x: float, y: float, group: int | None = None, **flags: bool) -> dict:
    shape = {"label": label, "points": [[x, y]], "group_id": group}
    return shape | {"shape_type": "point", "flags": flags}


def rectangle(*corners: float, label: str = "person", group: int | None = None) -> dict:
    x0, y0, x1, y1 = corners
    shape = {"label": label, "points": [[x1, y1], [x0, y0]], "group_id": group}
    return shape | {"shape_type": "rectangle", "flags": {}}


@pytest.fixture
def labelme(tmp_path: Path, draw: Callable[..., Path]) -> Write:
    """Writes one file of Labelme beside its picture."""

    def write(*shapes: dict, name: str = "a", **changed: object) -> str:
        draw(f"set/{name}.png")
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": list(shapes),
            "imagePath": f"{name}.png",
            "imageData": None,
            "imageHeight": 64,
            "imageWidth": 96,
        }
        (tmp_path / "set" / f"{name}.json").write_text(json.dumps(content | changed))
        return "set"

    return write


def test_shapes_of_a_group_are_a_person(
    labelme: Write, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    source = labelme(
        point("left_paw", 20.5, 40, 1),
        point("tail", 70, 30, 2),
        rectangle(10, 10, 40, 50, group=1),
        rectangle(50, 10, 90, 50, group=2),
        point("tail", 30, 20, 1, occluded=True),
    )
    document = convert("labelme", source, "--keypoint-names", "tail,left_paw,right_paw")
    assert joints(document) == {
        "tail": (30, 20, 1),
        "left_paw": (20.5, 40, 2),
        "right_paw": (0, 0, 0),
    }
    assert joints(document, person=1)["tail"] == (70, 30, 2)
    assert [entry["bbox"] for entry in document["annotations"]] == [
        [10, 10, 30, 40],
        [50, 10, 40, 40],
    ]
    assert document["categories"][0]["flip_pairs"] == [[1, 2]]
    assert "never labelled: right_paw" in document["said"]


def test_a_box_is_cut_off_where_the_picture_ends(
    labelme: Write, convert: Callable[..., dict]
) -> None:
    source = labelme(
        rectangle(80, 10, 120, 70, group=1),
        rectangle(200, 10, 220, 70, group=2),
        point("a", 85, 20, 1),
    )
    document = convert("labelme", source)
    assert [entry["bbox"] for entry in document["annotations"]] == [[80, 10, 16, 54]]
    assert "1 boxes cut off where their picture ends" in document["said"]
    assert "1 people left out: less than a pixel of their box" in document["said"]


def test_without_names_the_order_is_the_alphabets_over_all_files(
    labelme: Write, convert: Callable[..., dict]
) -> None:
    labelme(point("b", 20, 20), point("c", 60, 60), name="x")
    source = labelme(point("b", 20, 20), point("a", 60, 60), name="y")
    document = convert("labelme", source)
    assert document["categories"][0]["keypoints"] == ["a", "b", "c"]
    assert [entry["num_keypoints"] for entry in document["annotations"]] == [2, 2]


def test_cocos_names_have_cocos_order(labelme: Write, convert: Callable[..., dict]) -> None:
    source = labelme(point("right_hip", 20, 60), point("nose", 20, 5), point("left_hip", 25, 30))
    document = convert("labelme", source)
    assert document["categories"][0]["keypoints"] == ["nose", "left_hip", "right_hip"]
    document = convert("labelme", source, "--skeleton", "coco")
    assert document["categories"][0]["keypoints"] == list(COCO.names)
    assert document["annotations"][0]["num_keypoints"] == 3


def test_points_without_a_group_belong_to_the_only_rectangle_around_them(
    labelme: Write, convert: Callable[..., dict], joints: Callable[..., dict]
) -> None:
    source = labelme(
        rectangle(10, 10, 60, 50),
        rectangle(40, 10, 90, 50),
        point("a", 20, 20),
        point("a", 80, 20),
        point("b", 50, 20),
    )
    document = convert("labelme", source)
    assert joints(document)["a"] == (20, 20, 2)
    assert joints(document, person=1)["a"] == (80, 20, 2)
    assert "1 points left out: no group_id, and not in exactly one rectangle" in document["said"]


def test_only_the_named_category_counts(
    labelme: Write, convert: Callable[..., dict], refused: Callable[..., str]
) -> None:
    source = labelme(
        rectangle(10, 10, 60, 50, group=1),
        rectangle(70, 10, 80, 20, label="ball", group=2),
        point("a", 20, 20, 1),
        point("a", 75, 15, 2),
    )
    assert "ball, person" in refused("labelme", source)
    assert "'horse'" in refused("labelme", source, "--category", "horse")
    document = convert("labelme", source, "--category", "person")
    assert len(document["annotations"]) == 1
    assert "1 points left out: their rectangle is of another category" in document["said"]


def test_pictures_are_found_beside_the_file_and_must_have_the_labelled_size(
    labelme: Write, draw: Callable[..., Path], tmp_path: Path, convert: Callable[..., dict]
) -> None:
    labelme(point("a", 20, 20), point("b", 60, 60), name="x", imagePath="C:\\photos\\x.png")
    labelme(point("a", 20, 20), point("b", 60, 60), name="y", imageWidth=48, imageHeight=32)
    source = labelme(point("a", 20, 20), point("b", 60, 60), name="z", imagePath="../else/z.png")
    (tmp_path / "set" / "z.png").unlink()
    draw("else/z.png")
    document = convert("labelme", source)
    assert [image["file_name"] for image in document["images"]] == ["x.png", "../else/z.png"]
    assert "1 pictures left out: another size than their labels state" in document["said"]
    assert "96 x 64, labelled as 48 x 32" in document["said"]


def test_other_shapes_and_files_are_counted(
    labelme: Write, tmp_path: Path, convert: Callable[..., dict]
) -> None:
    outline = point("person", 1, 1) | {"shape_type": "polygon"}
    source = labelme(outline, point("a", 20, 20), point("b", 60, 60))
    (tmp_path / "set" / "classes.json").write_text('{"names": []}')
    said = convert("labelme", source)["said"]
    assert "1 shapes left out: neither points nor rectangles" in said
    assert "1 files left out" in said


@pytest.mark.parametrize(
    ("shapes", "named"),
    [
        ([point("a", 1, 1), point("a", 2, 2)], "two points a"),
        ([rectangle(1, 1, 9, 9, group=1), rectangle(2, 2, 9, 9, group=1)], "has two rectangles"),
        ([point("a", 1, 1) | {"points": [["x", 1]]}], "shape 0 (a): points is"),
        ([rectangle(1, 1, 9, 9)], "has no points in it"),
    ],
)
def test_broken_labels_are_refused_with_the_place(
    labelme: Write, refused: Callable[..., str], shapes: list[dict], named: str
) -> None:
    source = labelme(point("z", 3, 3, 9), name="b") if "points in" not in named else "set"
    labelme(*shapes)
    assert named in refused("labelme", source)


def test_a_label_outside_the_given_names_is_refused(
    labelme: Write, refused: Callable[..., str]
) -> None:
    source = labelme(point("a", 1, 1), point("typo", 9, 9))
    error = refused("labelme", source, "--keypoint-names", "a,b")
    assert "'typo'" in error
