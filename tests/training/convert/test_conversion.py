"""What all formats have in common: the document, what is left out, and the file."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training import cli

Convert = Callable[..., dict]
Mpii = Callable[..., str]

RIGHT_ANKLE, LEFT_ANKLE, RIGHT_KNEE = 0, 5, 1


@pytest.fixture
def mpii(tmp_path: Path, draw: Callable[..., Path]) -> Mpii:
    """A file in MPII's JSON: pictures by name, each with people given as joints by index."""

    def write(**pictures: list[dict[int, tuple[float, float]]]) -> str:
        entries: list[dict] = []
        for name, people in pictures.items():
            if not (tmp_path / f"images/{name}.jpg").exists():
                draw(f"images/{name}.jpg")
            for person in people:
                # The format counts pixels from 1.
                places = np.array([person.get(index, (-2, -2)) for index in range(16)]) + 1.0
                visible = [int(index in person) for index in range(16)]
                entry = {"image": f"{name}.jpg", "joints": places.tolist(), "joints_vis": visible}
                entries.append(entry)
        (tmp_path / "train.json").write_text(json.dumps(entries))
        return "train.json"

    return write


def test_a_box_without_one_is_drawn_around_the_joints_and_ends_with_the_picture(
    mpii: Mpii, convert: Convert
) -> None:
    document = convert("mpii", mpii(a=[{RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}]))
    (person,) = document["annotations"]
    assert person["bbox"] == [16, 6, 28, 58]
    assert person["area"] == pytest.approx(0.53 * 28 * 58)


def test_people_with_a_joint_too_few_or_outside_are_left_out_and_counted(
    mpii: Mpii, convert: Convert
) -> None:
    good = {RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}
    single = {RIGHT_ANKLE: (20, 60)}
    beyond = good | {LEFT_ANKLE: (500, 60)}
    document = convert("mpii", mpii(a=[good, single, beyond]))
    assert [entry["num_keypoints"] for entry in document["annotations"]] == [2, 2]
    assert "1 people left out: no box, and too few joints" in document["said"]
    assert "1 joints outside their picture: taken as not labelled" in document["said"]


def test_ids_are_unique_over_pictures(mpii: Mpii, convert: Convert) -> None:
    person = {RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}
    document = convert("mpii", mpii(a=[person, person], b=[person]))
    assert [image["id"] for image in document["images"]] == [1, 2]
    assert [entry["id"] for entry in document["annotations"]] == [1, 2, 3]
    assert [entry["image_id"] for entry in document["annotations"]] == [1, 1, 2]


def test_a_picture_that_is_none_is_left_out_and_counted(
    mpii: Mpii, tmp_path: Path, convert: Convert
) -> None:
    person = {RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}
    source = mpii(a=[person], b=[person])
    (tmp_path / "images" / "b.jpg").write_text("no picture")
    document = convert("mpii", source)
    assert [image["file_name"] for image in document["images"]] == ["a.jpg"]
    assert "1 pictures left out: they cannot be read" in document["said"]
    assert "1 people left out with their pictures" in document["said"]


def test_sizes_are_those_of_the_upright_picture(
    mpii: Mpii, tmp_path: Path, convert: Convert
) -> None:
    source = mpii(a=[{RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}])
    path = tmp_path / "images" / "a.jpg"
    # A TIFF header with one entry: orientation 6, a quarter turn.
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    pixels = np.zeros((64, 96, 3), np.uint8)
    done, data = cv2.imencodeWithMetadata(
        ".jpg", pixels, [cv2.IMAGE_METADATA_EXIF], [np.frombuffer(exif, np.uint8)]
    )
    assert done
    path.write_bytes(data.tobytes())
    (image,) = convert("mpii", source)["images"]
    assert (image["width"], image["height"]) == (64, 96)


def test_a_size_far_behind_other_metadata_is_read(
    mpii: Mpii, tmp_path: Path, convert: Convert
) -> None:
    source = mpii(a=[{RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}])
    path = tmp_path / "images" / "a.jpg"
    data = path.read_bytes()
    comment = b"\xff\xfe\xff\xff" + bytes(0xFFFD)
    path.write_bytes(data[:2] + comment * 2 + data[2:])
    (image,) = convert("mpii", source)["images"]
    assert (image["width"], image["height"]) == (96, 64)


def test_the_output_is_not_replaced_without_force_and_not_touched_by_a_failure(
    mpii: Mpii, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / mpii(a=[{RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}])
    output = tmp_path / "people.json"
    output.write_text("precious")
    arguments = ["convert", "mpii", str(source), "--output", str(output)]
    assert cli.main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    source.write_text("[")
    assert cli.main([*arguments, "--force"]) == 2
    assert output.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "images",
        "people.json",
        "train.json",
    ]


def test_wrong_options_and_sources_are_refused(
    mpii: Mpii, tmp_path: Path, refused: Callable[..., str]
) -> None:
    source = mpii(a=[{RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}])
    assert "gone does not exist" in refused("mpii", "gone")
    assert "split: mpii has no parts" in refused("mpii", source, "--split", "val")
    assert "category: mpii has its own" in refused("mpii", source, "--category", "person")
    assert "keypoint_names: mpii" in refused("mpii", source, "--keypoint-names", "a,b")
    (tmp_path / "elsewhere").mkdir()
    error = refused("mpii", source, "--images", str(tmp_path / "elsewhere"))
    assert "no picture such as a.jpg" in error
    (tmp_path / "empty").mkdir()
    assert "no .json file" in refused("posetrack", "empty")


def test_native_joints_keep_pairs_edges_and_sigmas(mpii: Mpii, convert: Convert) -> None:
    source = mpii(a=[{RIGHT_ANKLE: (20, 60), RIGHT_KNEE: (40, 10)}])
    (category,) = convert("mpii", source, "--skeleton", "native")["categories"]
    names = category["keypoints"]
    pairs = {(names[a], names[b]) for a, b in category["flip_pairs"]}
    assert ("left_ankle", "right_ankle") in pairs
    assert len(pairs) == 6
    edges = {(names[a - 1], names[b - 1]) for a, b in category["skeleton"]}
    assert ("right_ankle", "right_knee") in edges
    sigmas = dict(zip(names, category["sigmas"], strict=True))
    assert sigmas["right_ankle"] == 0.089
    assert sigmas["pelvis"] == 0.107
