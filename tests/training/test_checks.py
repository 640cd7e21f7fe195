import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.config import DataSet
from training.data.checks import check_sets
from training.data.findings import Finding
from training.skeletons import COCO

Document = dict
Change = Callable[[Document], None]


@pytest.fixture
def data(stick_people: Callable[..., DataSet]) -> DataSet:
    return stick_people("train", pictures=4)


def rewrite(data: DataSet, change: Change) -> None:
    document = json.loads(data.annotations.read_text())
    change(document)
    data.annotations.write_text(json.dumps(document))


def check_data(data: DataSet) -> Sequence[Finding]:
    return check_sets([data]).sets[0].findings


def found(data: DataSet, severity: str = "") -> list[str]:
    return [one.message for one in check_data(data) if one.severity == severity or not severity]


def first(document: Document) -> dict:
    return document["annotations"][0]


def set_joint(person: dict, index: int, x: float, y: float, v: int) -> None:
    person["keypoints"][3 * index : 3 * index + 3] = [x, y, v]
    person["num_keypoints"] = sum(v > 0 for v in person["keypoints"][2::3])


def test_good_file_has_neither_errors_nor_warnings(data: DataSet) -> None:
    findings = check_data(data)
    assert {finding.severity for finding in findings} == {"note"}
    people = len(json.loads(data.annotations.read_text())["annotations"])
    counts = {finding.message: finding.count for finding in findings}
    assert counts["people with labelled joints"] == people
    assert counts["pictures by their size in pixels"] == 4


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def write_text(path: Path) -> None:
    path.write_text("no picture at all")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "a picture is missing"),
        (cut_off, "a picture cannot be read"),
        (write_text, "a picture cannot be read"),
    ],
)
def test_spoiled_picture_is_named(
    data: DataSet, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(data.images / "002.png")
    (finding,) = (one for one in check_data(data) if one.severity == "error")
    assert finding.message == message
    assert "002.png" in finding.examples[0]


def impossible_file_name(document: Document) -> None:
    document["images"][1]["file_name"] = "a\0b.png"


def other_size(document: Document) -> None:
    document["images"][0]["width"] = 999


def swapped_size(document: Document) -> None:
    image = document["images"][0]
    image["width"], image["height"] = image["height"], image["width"]


def same_image_id(document: Document) -> None:
    document["images"].append(dict(document["images"][0]))


def unknown_image(document: Document) -> None:
    first(document)["image_id"] = 999


def same_annotation_id(document: Document) -> None:
    document["annotations"].append(dict(first(document)))


def too_few_numbers(document: Document) -> None:
    del first(document)["keypoints"][-3:]


def words_as_numbers(document: Document) -> None:
    first(document)["keypoints"][0] = "12"


def wrong_count(document: Document) -> None:
    first(document)["num_keypoints"] = 3


def no_count(document: Document) -> None:
    del first(document)["num_keypoints"]


def strange_visibility(document: Document) -> None:
    set_joint(first(document), 5, 50, 50, 3)


def all_at_origin(document: Document) -> None:
    first(document)["keypoints"] = [0, 0, 2] * 17
    first(document)["num_keypoints"] = 17


def no_area(document: Document) -> None:
    del first(document)["area"]


def three_numbers_in_box(document: Document) -> None:
    first(document)["bbox"] = [1, 2, 3]


def box_elsewhere(document: Document) -> None:
    first(document)["bbox"] = [5000, 10, 20, 20]


def fractions_for_pixels(document: Document) -> None:
    for person in document["annotations"]:
        person["keypoints"] = [value / 500 if i % 3 < 2 else value
                               for i, value in enumerate(person["keypoints"])]  # fmt: skip


def no_names(document: Document) -> None:
    del document["categories"][0]["keypoints"]


def no_categories(document: Document) -> None:
    document["categories"] = []


def no_images(document: Document) -> None:
    document["images"] = []


def images_as_text(document: Document) -> None:
    document["images"] = "none"


def edge_from_zero(document: Document) -> None:
    document["categories"][0]["skeleton"].append([0, 1])


def partner_missing(document: Document) -> None:
    document["categories"][0]["keypoints"][2] = "another_eye"


def wrong_pair(document: Document) -> None:
    document["categories"][0]["flip_pairs"] = [*COCO.flip_pairs[1:], [1, 0]]


def pair_of_ear_and_eye(document: Document) -> None:
    document["categories"][0]["flip_pairs"] = [[1, 4], [3, 2], *COCO.flip_pairs[2:]]


def pair_out_of_range(document: Document) -> None:
    document["categories"][0]["flip_pairs"] = [*COCO.flip_pairs, [16, 17]]


def pair_twice(document: Document) -> None:
    document["categories"][0]["flip_pairs"] = [*COCO.flip_pairs, [1, 2]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (impossible_file_name, "a picture cannot be read"),
        (other_size, "another size than its record states"),
        (swapped_size, "EXIF"),
        (same_image_id, "two images have the same id"),
        (unknown_image, "`image_id` is not among the images"),
        (same_annotation_id, "two annotations have the same id"),
        (too_few_numbers, "expected 51 (three for each of 17 names)"),
        (words_as_numbers, "`keypoints` is not a list of numbers"),
        (wrong_count, "`num_keypoints` is not the number of joints"),
        (no_count, "`num_keypoints` is missing"),
        (strange_visibility, "v is not 0, 1 or 2"),
        (all_at_origin, "lie at (0, 0)"),
        (no_area, "no `area` above 0"),
        (three_numbers_in_box, "`bbox` is not four numbers"),
        (box_elsewhere, "a box lies outside its picture"),
        (fractions_for_pixels, "not in fractions"),
        (no_names, "no `keypoints`, a list of names"),
        (no_categories, "`categories` is empty"),
        (no_images, "`images` is empty"),
        (images_as_text, "`images` is missing or not a list"),
        (edge_from_zero, "`skeleton` has an edge that is not two numbers in 1..17"),
        (partner_missing, "has no partner"),
        (wrong_pair, "joins keypoints that do not mirror"),
        (pair_of_ear_and_eye, "joins keypoints that do not mirror"),
        (pair_out_of_range, "not two numbers in 0..16"),
        (pair_twice, "names a keypoint twice"),
    ],
)
def test_error_is_named(data: DataSet, change: Change, message: str) -> None:
    rewrite(data, change)
    assert any(message in finding for finding in found(data, "error"))


def joint_outside_picture(document: Document) -> None:
    set_joint(first(document), 9, -20, 30, 2)


def joint_far_from_box(document: Document) -> None:
    x, y, width, _ = first(document)["bbox"]
    person = first(document) | {"bbox": [x, y, width, 10]}
    document["annotations"][0] = person


def joint_at_origin(document: Document) -> None:
    set_joint(first(document), 9, 0, 0, 2)


def place_without_label(document: Document) -> None:
    set_joint(first(document), 9, 60, 60, 0)


def box_beyond_picture(document: Document) -> None:
    first(document)["bbox"][2] = 500


def thin_box(document: Document) -> None:
    first(document)["bbox"][2] = 0.5


def other_category(document: Document) -> None:
    first(document)["category_id"] = 2


def two_categories(document: Document) -> None:
    document["categories"].append({"id": 2, "name": "dog"})


def nobody_labelled(document: Document) -> None:
    for person in document["annotations"]:
        person |= {"keypoints": [0] * 51, "num_keypoints": 0}


def no_sides(document: Document) -> None:
    names = [name.replace("left", "a").replace("right", "b") for name in COCO.names]
    document["categories"][0]["keypoints"] = names


def names_in_other_order(document: Document) -> None:
    document["categories"][0]["keypoints"] = [*COCO.names[1:], COCO.names[0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (joint_outside_picture, "a labelled joint lies outside its picture"),
        (joint_far_from_box, "more than half a box away"),
        (joint_at_origin, "a labelled joint lies at (0, 0)"),
        (place_without_label, "has a place but v = 0"),
        (box_beyond_picture, "a box reaches beyond its picture"),
        (thin_box, "less than a pixel"),
        (other_category, "not of the first category"),
        (two_categories, "more than one category"),
        (nobody_labelled, "nobody has a labelled joint"),
        (no_sides, "there are no flip pairs"),
        (names_in_other_order, "another order than COCO's"),
    ],
)
def test_warning_is_named_and_is_no_error(data: DataSet, change: Change, message: str) -> None:
    rewrite(data, change)
    assert any(message in finding for finding in found(data, "warning"))
    assert found(data, "error") == []


def reorder(order: list[int]) -> Change:
    """Joints in another order than the names."""

    def change(document: Document) -> None:
        for person in document["annotations"]:
            joints = np.array(person["keypoints"]).reshape(17, 3)
            person["keypoints"] = joints[order].ravel().tolist()

    return change


def test_swapped_sides_and_shuffled_joints_are_noticed(
    stick_people: Callable[..., DataSet],
) -> None:
    swapped = stick_people("swapped", pictures=10)
    rewrite(swapped, reorder(COCO.flip_order()))
    assert any("left and right look swapped" in text for text in found(swapped, "warning"))
    shuffled = stick_people("shuffled", pictures=10)
    order = np.random.default_rng(0).permutation(17).tolist()
    rewrite(shuffled, reorder(order))
    assert any("in the order of the names?" in text for text in found(shuffled, "warning"))
    assert found(stick_people("good", pictures=10), "warning") == []


def test_a_picture_that_nobody_asks_for_is_noted(data: DataSet) -> None:
    shutil.copy(data.images / "001.png", data.images / "copy.png")
    assert found(data, "warning") == []
    assert "a picture in the folder is not among the images" in found(data, "note")


def test_turned_photograph_is_recognised(data: DataSet) -> None:
    """A camera's JPEG that viewers show upright: EXIF orientation 6, labels on the raw pixels."""

    def turn(document: Document) -> None:
        image = document["images"][0]
        pixels = np.zeros((image["height"], image["width"], 3), np.uint8)
        jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        (data.images / "turned.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
        image["file_name"] = "turned.jpg"

    rewrite(data, turn)
    assert any("EXIF orientation" in text for text in found(data, "error"))


def test_missing_and_broken_files_are_findings(data: DataSet, tmp_path: Path) -> None:
    nowhere = DataSet(annotations=tmp_path / "none.json", images=tmp_path / "none")
    assert found(nowhere, "error") == [
        "the folder of the pictures does not exist",
        "the annotation file cannot be read",
    ]
    data.annotations.write_text("{")
    assert found(data) == ["the annotation file is not JSON"]
    data.annotations.write_text("[1, 2]")
    assert "not a JSON object" in found(data)[0]


def test_same_remark_is_counted_with_a_few_examples(data: DataSet) -> None:
    def change(document: Document) -> None:
        for person in document["annotations"]:
            person["num_keypoints"] = 1

    rewrite(data, change)
    people = len(json.loads(data.annotations.read_text())["annotations"])
    (finding,) = (one for one in check_data(data) if one.severity == "error")
    assert finding.count == people > 5
    assert len(finding.examples) == 5
    assert "1 stated, 1" in finding.examples[0]


def test_a_stated_lack_of_flip_pairs_is_no_error(data: DataSet) -> None:
    def change(document: Document) -> None:
        names = [f"joint_{index}" for index in range(17)]
        document["categories"][0] |= {"keypoints": names, "flip_pairs": []}

    rewrite(data, change)
    assert found(data, "error") == []
