"""From generated labels to an answer of the service, each step through its command line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from training import cli
from training.config import DataSet


def _train_and_export(recipe: str, data: DataSet, folder: Path, models: Path) -> None:
    pictures = f"{data.annotations}:{data.images}"
    flags = ["--data.train", pictures, "--data.val", pictures, "--output", str(folder / recipe)]
    assert cli.main(["train", "--recipe", recipe, *flags, "--epochs", "1"]) == 0
    assert cli.main(["export", str(folder / recipe), "--models-dir", str(models)]) == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_network_trained_here_answers_in_the_pixels_of_the_picture(
    stick_people: Callable[..., DataSet], tmp_path: Path
) -> None:
    data = stick_people(pictures=4)
    models = tmp_path / "models"
    _train_and_export("mobilenetv2-heatmap-debug", data, tmp_path, models)
    _train_and_export("person-detector-debug", data, tmp_path, models)
    (models / "pipelines.toml").write_text(
        '[default]\ndetector = "person-detector-debug/1"\nkeypoints = "pose-debug/1"\n'
        "min_person_score = 0.0\n"
    )
    picture = next(data.images.iterdir())
    command = [sys.executable, "-m", "service", "predict", str(picture), "--models-dir", models]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(answer.stdout)
    assert document["image"] == {"width": 224, "height": 160}
    assert document["model"]["keypoints"] == "pose-debug/1"
    assert document["persons"]
    for person in document["persons"]:
        assert [joint["name"] for joint in person["keypoints"]][:2] == ["nose", "left_eye"]
        box = person["box"]
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 224
