import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import onnx
import pytest

import training.export
from service.inference.card import ModelCard
from service.inference.errors import InvalidBundle, InvalidData, InvalidInput
from service.inference.execution import Execution
from service.inference.repository import load_bundle
from training import cli
from training.config import DataConfig, DataSet
from training.export import export_run
from training.keras_session import KerasSession
from training.networks.build import build_network
from training.recipes import recipe
from training.run import Run, create_run
from training.skeletons import COCO

PICTURES, PEOPLE = 4, 6
NAME = "sample"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Pictures of noise with people somewhere in them."""
    folder = tmp_path_factory.mktemp("sports")
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        pixels = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120))
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    annotations = []
    for number in range(PEOPLE):
        x, y = rng.uniform((0, 0), (90, 40))
        joints = np.column_stack([rng.uniform((x, y), (x + 60, y + 75), (17, 2)), np.full(17, 2)])
        annotations.append(
            {
                "id": number + 1,
                "image_id": number % PICTURES,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [x, y, 60, 75],
                "area": 2400,
                "num_keypoints": 17,
                "keypoints": joints.ravel().tolist(),
            }
        )
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 160, "height": 120}
            for number in range(PICTURES)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": COCO.names, "skeleton": []}],
    }
    (folder / "annotations.json").write_text(json.dumps(document))
    return DataSet(annotations=folder / "annotations.json", images=folder)


def make_run(folder: Path, recipe_name: str, data: DataConfig) -> Run:
    """A run with random weights, as if it had been trained."""
    config = recipe(recipe_name).model_copy(update={"data": data, "model_name": NAME})
    skeleton = COCO if config.task == "keypoints" else None
    keras.utils.set_random_seed(2)
    run = create_run(folder, config, skeleton)
    network = build_network(config, skeleton)
    logits = network.get_layer("logits")
    kernel, bias = logits.get_weights()
    logits.set_weights([kernel * 50, bias])
    network.save_weights(run.best_weights)
    return run


@pytest.fixture(scope="module")
def pose_run(tmp_path_factory: pytest.TempPathFactory, data: DataSet) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "pose"
    return make_run(folder, "mobilenetv2-heatmap-debug", DataConfig(train=(data,), val=(data,)))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, pose_run: Run) -> Path:
    models_dir = tmp_path_factory.mktemp("exported") / "models"
    name = next(iter(data_names(pose_run)))
    return export_run(pose_run.folder, models_dir, licences={name: "CC0"})


@pytest.fixture
def converted(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> onnx.ModelProto:
    """What the next export takes as the converted network, to save the time; may be changed."""
    model = onnx.load(bundle / "model.onnx")
    monkeypatch.setattr(training.export, "network_to_onnx", lambda _, __: model)
    return model


def data_names(run: Run) -> list[str]:
    return [data.annotations.parent.name for data in run.config.data.train]


def card_of(bundle: Path) -> ModelCard:
    return ModelCard.model_validate_json((bundle / "card.json").read_text())


def test_bundle_is_complete_and_can_be_loaded(bundle: Path) -> None:
    assert bundle.parts[-2:] == (NAME, "1")
    assert {path.name for path in bundle.iterdir()} == {"model.onnx", "card.json", "README.md"}
    assert [path.name for path in bundle.parent.iterdir()] == ["1"]
    session = load_bundle(bundle.parent.parent, f"{NAME}/1", Execution(device="cpu"))[0]
    assert session.card.recipe == "mobilenetv2-heatmap-debug"


def test_card_tells_data_configuration_and_figures(bundle: Path, pose_run: Run) -> None:
    card = card_of(bundle)

    name = data_names(pose_run)[0]
    assert [source.model_dump() for source in card.data] == [
        {"name": name, "licence": "CC0", "samples": PEOPLE}
    ]
    assert card.config["optimizer"] == pose_run.config.optimizer.model_dump()
    assert (
        str(pose_run.config.data.train[0].images.parent) not in (bundle / "card.json").read_text()
    )
    assert card.metrics[f"{name}/pictures"] == PICTURES
    assert card.metrics[f"{name}/people"] == PEOPLE
    assert 0 <= card.metrics[f"{name}/gt-boxes/AP"] <= card.metrics[f"{name}/gt-boxes/AP50"] <= 1
    assert f"| `{name}/gt-boxes` |" in (bundle / "README.md").read_text()


def test_detector_is_measured_by_its_boxes_on_the_first_pictures(
    data: DataSet, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", "person-detector-debug", DataConfig(train=(data,)))

    folder = export_run(
        run.folder, tmp_path / "models", name="finder", version=2, val=data, limit=3
    )

    assert folder == tmp_path / "models" / "finder" / "2"
    card = card_of(folder)
    assert card.data[0].samples == PICTURES
    assert card.skeleton is None
    name = data.annotations.parent.name
    assert f"{name}/boxes/AP50" in card.metrics
    assert card.metrics[f"{name}/pictures"] == 3
    assert card.metrics[f"{name}/people"] == 5


def test_existing_version_is_refused(bundle: Path, pose_run: Run) -> None:
    before = (bundle / "model.onnx").read_bytes()

    with pytest.raises(InvalidInput, match="exists already"):
        export_run(pose_run.folder, bundle.parent.parent)

    assert (bundle / "model.onnx").read_bytes() == before


@pytest.mark.usefixtures("converted")
def test_force_replaces_the_whole_folder_and_a_run_gives_the_same_bytes(
    bundle: Path, pose_run: Run, tmp_path: Path
) -> None:
    old = tmp_path / NAME / "1"
    old.mkdir(parents=True)
    (old / "rest.txt").write_text("of another export")
    licences = {data_names(pose_run)[0]: "CC0"}

    folder = export_run(pose_run.folder, tmp_path, licences=licences, force=True)

    assert folder == old
    assert sorted(path.name for path in old.iterdir()) == ["README.md", "card.json", "model.onnx"]
    for path in old.iterdir():
        assert path.read_bytes() == (bundle / path.name).read_bytes()


def test_file_that_answers_otherwise_is_refused_with_figures_and_leaves_nothing(
    converted: onnx.ModelProto, pose_run: Run, tmp_path: Path
) -> None:
    # The last convolution's weights are turned around.
    last = [node for node in converted.graph.node if node.op_type == "Conv"][-1]
    weights = next(w for w in converted.graph.initializer if w.name == last.input[1])
    weights.CopyFrom(
        onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), weights.name)
    )

    with pytest.raises(InvalidBundle, match=r"differs by \d+\.\d+ px and \d+\.\d+ in score"):
        export_run(pose_run.folder, tmp_path / "models")

    assert not (tmp_path / "models").exists()


@pytest.mark.usefixtures("converted")
def test_file_with_another_average_precision_is_refused(
    pose_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = training.export.evaluate_alone

    def evaluate(session, coco):
        ap = 0.500 if isinstance(session, KerasSession) else 0.498
        return dataclasses.replace(measure(session, coco), metrics={"AP": ap})

    monkeypatch.setattr(training.export, "evaluate_alone", evaluate)

    with pytest.raises(InvalidBundle, match=r"AP 0\.4980, Keras 0\.5000"):
        export_run(pose_run.folder, tmp_path / "models")

    assert not (tmp_path / "models").exists()


@pytest.mark.slow
def test_command_in_another_process_writes_the_same_bytes_and_further_precisions(
    bundle: Path, pose_run: Run, tmp_path: Path
) -> None:
    licences = json.dumps({data_names(pose_run)[0]: "CC0"})
    flags = ["--models-dir", str(tmp_path), "--precision", "fp32,fp16", "--licences", licences]
    command = [sys.executable, "-m", "training", "export", str(pose_run.folder), *flags]

    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(command, check=True, text=True, capture_output=True, env=environment)

    assert done.stdout.startswith(f"wrote {tmp_path / NAME / '1'}\nwrote {tmp_path / NAME}-fp16")
    for path in bundle.iterdir():
        assert path.read_bytes() == (tmp_path / NAME / "1" / path.name).read_bytes(), path.name
    assert card_of(tmp_path / f"{NAME}-fp16" / "1").precision == "fp16"


@pytest.mark.usefixtures("converted")
def test_lower_precision_alone_leaves_no_bundle_in_full_precision(
    pose_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.md").write_text("For the garden only.")
    models = tmp_path / "models"
    flags = ["--precision", "fp16", "--limit", "2", "--notes", str(tmp_path / "notes.md")]

    assert cli.main(["export", str(pose_run.folder), "--models-dir", str(models), *flags]) == 0

    assert f"wrote {models / NAME}-fp16/1: AP 0." in capsys.readouterr().out
    assert [path.name for path in models.iterdir()] == [f"{NAME}-fp16"]
    folder = models / f"{NAME}-fp16" / "1"
    assert card_of(folder).metrics[f"{data_names(pose_run)[0]}/pictures"] == 2
    assert (folder / "README.md").read_text().endswith("For the garden only.\n")


def test_licence_of_an_unknown_set_is_refused(pose_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="licences: 'coco'"):
        export_run(pose_run.folder, tmp_path, licences={"coco": "CC BY"})


def test_run_without_weights_is_refused(tmp_path: Path) -> None:
    create_run(tmp_path / "run", recipe("mobilenetv2-heatmap-debug"), COCO)

    with pytest.raises(InvalidData, match="no best weights"):
        export_run(tmp_path / "run", tmp_path / "models")
