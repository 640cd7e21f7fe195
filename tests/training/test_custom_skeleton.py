"""Own joints, from another tool's labels to an answer of the service, without a change of code."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training import cli
from training.config import DataSet
from training.data.coco import common_skeleton, read_coco
from training.fit import make_samples
from training.recipes import recipe
from training.skeletons import COCO

ROOT = Path(__file__).parents[2]
NAMES = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
# A kite, in fractions of the picture: its sides are the kite's own, as it faces the viewer.
PLACES = np.array([(0.5, 0.2), (0.8, 0.45), (0.2, 0.45), (0.65, 0.85), (0.35, 0.85)])
EDGES = ((0, 1), (0, 2), (1, 3), (2, 4))
WIDTH, HEIGHT = 128, 96


def draw_kite(path: Path, rng: np.random.Generator) -> np.ndarray:
    """Writes a picture; its joints `[5, 2]` in fractions."""
    joints = PLACES + rng.uniform(-0.05, 0.05, 2)
    pixels = rng.integers(0, 80, (HEIGHT, WIDTH, 3), np.uint8)
    points = (joints * (WIDTH, HEIGHT)).astype(int).tolist()
    for a, b in EDGES:
        cv2.line(pixels, points[a], points[b], (250, 250, 250), 3)
    for index, colour in enumerate([(255, 255, 0), (0, 0, 255), (255, 0, 0)] * 2):
        if index < len(points):
            cv2.circle(pixels, points[index], 5, colour, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
    return joints


@pytest.fixture
def yolo_pose(tmp_path: Path) -> Path:
    """A YOLO-pose folder with four pictures to train on and two to measure on."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "kites"
    for split, count in (("train", 4), ("val", 2)):
        (folder / "labels" / split).mkdir(parents=True)
        for number in range(count):
            joints = draw_kite(folder / "images" / split / f"{number}.png", rng)
            values = np.column_stack([joints, np.full(5, 2)]).ravel()
            row = " ".join(f"{value:g}" for value in (0, 0.5, 0.5, 0.9, 0.9, *values))
            (folder / "labels" / split / f"{number}.txt").write_text(row)
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nkpt_shape: [5, 3]\n"
        "flip_idx: [0, 2, 1, 4, 3]\nnames: {0: kite}\n"
        f"kpt_names: {{0: [{', '.join(NAMES)}]}}\n"
    )
    return folder


def convert(folder: Path, split: str, output: Path) -> str:
    edges = ",".join(f"{NAMES[a]}:{NAMES[b]}" for a, b in EDGES)
    arguments = ["convert", "yolo-pose", str(folder), "--split", split, "--edges", edges]
    arguments += ["--sigmas", "0.03,0.05,0.05,0.08,0.08", "--output", str(output)]
    assert cli.main(arguments) == 0
    return f"{output}:{folder}"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_joints_go_from_yolo_labels_to_an_answer(yolo_pose: Path, tmp_path: Path) -> None:
    train = convert(yolo_pose, "train", tmp_path / "train.json")
    val = convert(yolo_pose, "val", tmp_path / "val.json")
    assert cli.main(["check-data", train]) == 0

    run, models = tmp_path / "run", tmp_path / "models"
    flags = ["--data.train", train, "--data.val", val, "--output", str(run)]
    recipe = ["--recipe", "mobilenetv2-heatmap-debug", "--epochs", "1", "--epoch-samples", "8"]
    assert cli.main(["train", *recipe, *flags]) == 0
    assert cli.main(["export", str(run), "--models-dir", str(models)]) == 0
    card = json.loads((models / "pose-debug" / "1" / "card.json").read_text())
    assert card["skeleton"] == {
        "names": list(NAMES),
        "edges": [list(edge) for edge in EDGES],
        "flip_pairs": [[1, 2], [3, 4]],
        "sigmas": [0.03, 0.05, 0.05, 0.08, 0.08],
    }
    assert any(name.endswith("/AP") for name in card["metrics"])

    # The detector that ships stands in for one of kites: whatever it takes for a person will do.
    (models / "person-detector").symlink_to(ROOT / "models" / "person-detector")
    (models / "pipelines.toml").write_text(
        '[default]\ndetector = "person-detector/4"\nkeypoints = "pose-debug/1"\n'
        "min_person_score = 0.0\n"
    )
    drawn = tmp_path / "drawn.png"
    command = [sys.executable, "-m", "service", "predict", str(yolo_pose / "images/val/0.png")]
    command += ["--models-dir", str(models), "--render", str(drawn)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(answer.stdout)
    assert document["persons"]
    for person in document["persons"]:
        assert [joint["name"] for joint in person["keypoints"]] == list(NAMES)
    assert drawn.is_file()


@pytest.mark.parametrize("kind", ["train", "val"])
def test_other_joints_in_a_second_set_end_with_a_sentence_before_training(
    yolo_pose: Path,
    tmp_path: Path,
    stick_people: Callable[..., DataSet],
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    people = stick_people(pictures=1)
    kites = convert(yolo_pose, "train", tmp_path / "kites.json")
    run = tmp_path / "run"
    capsys.readouterr()
    first = ["--data.train", f"{people.annotations}:{people.images}"]
    flags = [*first, f"--data.{kind}", kites, "--output", str(run)]
    assert cli.main(["train", "--recipe", "mobilenetv2-heatmap-debug", *flags]) == 2
    error = capsys.readouterr().err
    assert f"kites.json has 5 keypoints ({', '.join(NAMES)})" in error
    assert "has 17 keypoints (nose, left_eye, " in error
    assert "--skeleton coco" in error
    assert not run.exists()


def test_as_cocos_joints_sets_mix_and_what_one_does_not_label_is_not_taught(
    tmp_path: Path, stick_people: Callable[..., DataSet]
) -> None:
    people = stick_people(pictures=3)
    # The same pictures with four joints of their own, as another tool would export them.
    document = json.loads(people.annotations.read_text())
    kept = [0, 5, 6, 9]
    names = ["Nose", "Left Shoulder", "Right Shoulder", "Left Wrist"]
    document["categories"] = [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}]
    for person in document["annotations"]:
        joints = np.array(person["keypoints"]).reshape(17, 3)[kept]
        person["keypoints"] = joints.ravel().tolist()
        person["num_keypoints"] = int((joints[:, 2] > 0).sum())
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(document))
    mixed = tmp_path / "mixed.json"
    arguments = ["convert", "coco", str(labels), "--images", str(people.images)]
    assert cli.main([*arguments, "--skeleton", "coco", "--output", str(mixed)]) == 0

    files = [read_coco(people), read_coco(DataSet(annotations=mixed, images=people.images))]
    skeleton = common_skeleton(files)
    config = recipe("mobilenetv2-heatmap-debug")
    rng = np.random.default_rng(0)
    for file, expected in zip(files, (set(COCO.names), {COCO.names[i] for i in kept}), strict=True):
        samples = make_samples(file, config, skeleton)
        taught: set[str] = set()
        for index in range(len(samples)):
            _, target = samples.sample(index, rng, None)
            taught |= {COCO.names[joint] for joint in np.flatnonzero(target[:, 2])}
        assert taught == expected
