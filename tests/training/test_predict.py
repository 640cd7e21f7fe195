import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.inference.errors import InvalidInput
from tests.training.fixed_bundles import write_detector_bundle, write_keypoint_bundle
from training.cli import main
from training.config import DataSet
from training.predict import run_predict


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    return write_keypoint_bundle(tmp_path / "joints")


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    return write_detector_bundle(tmp_path / "boxes")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two grey pictures of 192x192, in which the detector's box is (20, 40) to (160, 150)."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.jpg"):
        cv2.imwrite(str(folder / name), np.full((192, 192, 3), 90, np.uint8))
    return folder


def results_of(output: Path) -> list[dict]:
    return json.loads((output / "results.json").read_text())


def test_people_are_drawn_and_kept_as_coco_results(
    keypoints: Path, detector: Path, photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    summary = run_predict(keypoints, [photos], output, detector=detector)
    assert (summary.pictures, summary.people, summary.broken) == (2, 2, 0)
    first, second = results_of(output)
    assert (first["image_id"], second["image_id"]) == (1, 2)
    assert first["bbox"] == pytest.approx([20, 40, 140, 110], abs=0.01)
    joints = np.array(first["keypoints"]).reshape(17, 3)
    assert np.allclose(joints, (90, 95, 0.5), atol=0.01)
    images = json.loads((output / "images.json").read_text())
    assert [image["id"] for image in images["images"]] == [1, 2]
    assert images["images"][0]["file_name"] == str(photos / "a.png")
    assert len(images["categories"][0]["keypoints"]) == 17
    drawn = cv2.imread(str(output / "a.png"))
    assert drawn.shape == (192, 192, 3)
    assert np.abs(drawn[85:105, 80:100].astype(int) - 90).max() > 60
    assert (output / "sub" / "b.jpg").is_file()


def test_a_detector_alone_draws_boxes(detector: Path, photos: Path, tmp_path: Path) -> None:
    summary = run_predict(detector, [photos / "a.png"], tmp_path / "out")
    assert summary.people == 1
    (result,) = results_of(tmp_path / "out")
    assert result["score"] == pytest.approx(0.7)
    assert "keypoints" not in result
    drawn = cv2.imread(str(tmp_path / "out" / "a.png"))
    assert np.abs(drawn[100, 20].astype(int) - 90).max() > 60
    assert (drawn[100, 90] == 90).all()


def test_who_scores_too_little_is_left_out(
    keypoints: Path, detector: Path, photos: Path, tmp_path: Path
) -> None:
    # The box has 0.7, the joints 0.5.
    for threshold, people in ((0.34, 2), (0.36, 0)):
        output = tmp_path / f"out{threshold}"
        summary = run_predict(
            keypoints, [photos], output, detector=detector, min_person_score=threshold
        )
        assert (summary.people, summary.pictures) == (people, 2)


def test_boxes_come_from_an_annotation_file(
    keypoints: Path, stick_people: Callable[..., DataSet], tmp_path: Path
) -> None:
    data = stick_people("val", pictures=2)
    truth = json.loads(data.annotations.read_text())["annotations"]
    summary = run_predict(keypoints, [], tmp_path / "out", data=data)
    assert summary.people == len(truth)
    results = results_of(tmp_path / "out")
    expected = [person for image in (1, 2) for person in truth if person["image_id"] == image]
    assert {result["image_id"] for result in results} == {1, 2}
    assert sorted(result["bbox"][0] for result in results) == pytest.approx(
        sorted(person["bbox"][0] for person in expected)
    )
    assert not (tmp_path / "out" / "images.json").exists()


def test_broken_pictures_are_named_counted_and_left_out(
    keypoints: Path,
    detector: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = photos / "broken.jpg"
    broken.write_bytes((photos / "sub" / "b.jpg").read_bytes()[:200])
    flags = ["--detector", str(detector), "--output", str(tmp_path / "out")]
    assert main(["predict", str(keypoints), str(photos), *flags]) == 1
    shown = capsys.readouterr()
    assert str(broken) in shown.err
    assert "pictures: 2, people: 2, not usable: 1" in shown.out
    assert len(results_of(tmp_path / "out")) == 2


def test_nothing_is_overwritten_unless_asked(detector: Path, photos: Path, tmp_path: Path) -> None:
    run_predict(detector, [photos], tmp_path / "out")
    with pytest.raises(InvalidInput, match="is not empty"):
        run_predict(detector, [photos], tmp_path / "out")
    run_predict(detector, [photos], tmp_path / "out", force=True)


def test_a_keypoint_network_needs_to_be_told_where_people_are(
    keypoints: Path, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="either --detector"):
        run_predict(keypoints, [photos], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_contradictions_are_named(
    keypoints: Path, detector: Path, photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with pytest.raises(InvalidInput, match="name files or folders, or"):
        run_predict(keypoints, [], output, detector=detector)
    with pytest.raises(InvalidInput, match="needs no other"):
        run_predict(detector, [photos], output, detector=detector)
    with pytest.raises(InvalidInput, match="has task keypoints"):
        run_predict(keypoints, [photos], output, detector=keypoints)


def test_bundles_need_no_keras_whose_import_takes_seconds(
    detector: Path, photos: Path, tmp_path: Path
) -> None:
    program = """
import sys
from training.cli import main
detector, photos, output = sys.argv[1:]
assert main(["info", detector]) == 0
assert main(["predict", detector, photos, "--output", output]) == 0
assert main(["benchmark", detector, "--batch-sizes", "1", "--seconds", "1e-6"]) == 0
assert not {"keras", "tensorflow", "jax"} & set(sys.modules)
"""
    paths = [str(detector), str(photos), str(tmp_path / "out")]
    subprocess.run([sys.executable, "-c", program, *paths], check=True, capture_output=True)
