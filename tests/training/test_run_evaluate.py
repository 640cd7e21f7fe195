"""The verb on files: runs, bundles and what is neither."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.inference.card import Skeleton
from service.inference.errors import InvalidBundle, InvalidData, InvalidInput
from tests.training.fixed_bundles import (
    CROP,
    make_card,
    write_bundle,
    write_detector_bundle,
    write_keypoint_bundle,
)
from training.cli import main
from training.config import DataSet
from training.evaluate import run_evaluate
from training.metrics import BOX_FIGURES
from training.networks.build import build_network
from training.recipes.pose import mobilenetv2_heatmap_debug
from training.run import create_run
from training.skeletons import COCO


@pytest.fixture
def data(stick_people: Callable[..., DataSet]) -> DataSet:
    return stick_people("val", pictures=3)


@pytest.fixture
def bundles(tmp_path: Path) -> tuple[Path, Path]:
    """A keypoint network that says every joint is in the middle, a detector of one large box."""
    keypoints = write_keypoint_bundle(tmp_path / "joints")
    detector = write_detector_bundle(tmp_path / "boxes")
    return keypoints, detector


def test_bundles_are_measured_and_shown(
    data: DataSet, bundles: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    keypoints, detector = bundles
    evaluation, _ = run_evaluate(keypoints, data, flip_test=True)
    shown = capsys.readouterr().out
    for text in (
        "oracle/3",
        "ground truth",
        "flip test: yes",
        "3 pictures",
        "AP50",
        "CPUExecution",
    ):
        assert text in shown
    assert evaluation.flip_test
    end_to_end, _ = run_evaluate(keypoints / "model.onnx", data, detector=detector)
    assert end_to_end.boxes == "finder/3"
    assert "boxes: finder/3, flip test: no" in capsys.readouterr().out
    boxes, _ = run_evaluate(detector, data)
    assert boxes.metrics.keys() == set(BOX_FIGURES)


def test_json_holds_what_is_returned(
    data: DataSet, bundles: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation, analysis = run_evaluate(bundles[0], data, detector=bundles[1], as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["metrics"] == evaluation.metrics
    assert document["analysis"]["best"] == dataclasses.asdict(analysis.best)
    assert [joint["name"] for joint in document["analysis"]["joints"]] == list(COCO.names)
    assert document["boxes"] == "finder/3"
    assert document["pictures"] == 3


def test_skeleton_of_ones_own_is_analysed(
    data: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five of the joints, under other names and with a pair that the names do not show."""
    names = ("snout", "paw_a", "paw_b", "ear_a", "ear_b")
    document = json.loads(data.annotations.read_text())
    document["categories"][0] |= {"keypoints": names, "skeleton": [], "flip_pairs": [(1, 2)]}
    for annotation in document["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][:15]
        annotation["num_keypoints"] = sum(visible > 0 for visible in annotation["keypoints"][2::3])
    data.annotations.write_text(json.dumps(document))
    skeleton = Skeleton(names=names, edges=(), flip_pairs=((1, 2),), sigmas=(0.05,) * 5)
    joints = np.full((1, 5, 3), (48, 20, 0.5), np.float32)
    card = make_card("keypoints", CROP, skeleton)
    bundle = write_bundle(tmp_path / "animal", card, {"keypoints": joints})
    _, analysis = run_evaluate(bundle, data)
    assert [joint.name for joint in analysis.joints] == list(names)
    assert [group.name for group in analysis.visibility][-1] == "5 joints"
    assert "paw_b" in capsys.readouterr().out


def test_worst_cases_are_drawn_from_the_command_line(
    data: DataSet, bundles: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "evaluate", str(bundles[0]), "--data", f"{data.annotations}:{data.images}",
        "--detector", str(bundles[1]), "--min-person-score", "0.2", "--details",
        "--save-errors", str(tmp_path / "errors"),
    ]  # fmt: skip
    assert main(command) == 0
    assert "if mended" in capsys.readouterr().out
    assert json.loads((tmp_path / "errors" / "errors.json").read_text())["min_score"] == 0.2
    assert list(tmp_path.glob("errors/*/*.jpg"))
    assert main(command) == 2
    assert "save_errors" in capsys.readouterr().err


def test_detector_takes_neither_flip_test_nor_detector(
    data: DataSet, bundles: tuple[Path, Path]
) -> None:
    keypoints, detector = bundles
    with pytest.raises(InvalidInput, match="is a detector"):
        run_evaluate(detector, data, flip_test=True)
    with pytest.raises(InvalidInput, match="is a detector"):
        run_evaluate(detector, data, detector=detector)
    with pytest.raises(InvalidInput, match="oracle/3 has task keypoints"):
        run_evaluate(keypoints, data, detector=keypoints)


def test_what_is_no_model_is_named(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="neither a run's folder"):
        run_evaluate(tmp_path / "nowhere", data)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(InvalidBundle, match=r"broken\.onnx"):
        run_evaluate(broken, data)


@pytest.mark.slow
def test_run_folder_is_measured_with_its_best_weights(data: DataSet, tmp_path: Path) -> None:
    config = mobilenetv2_heatmap_debug()
    run = create_run(tmp_path / "run", config, COCO)
    with pytest.raises(InvalidData, match="no best weights yet"):
        run_evaluate(run.folder, data)
    build_network(config, COCO).save_weights(run.best_weights)
    evaluation, _ = run_evaluate(run.folder, data)
    assert evaluation.model == "pose-debug/1"
    assert "Keras" in evaluation.provider
    assert 0 <= evaluation.metrics["AP"] < 0.5
