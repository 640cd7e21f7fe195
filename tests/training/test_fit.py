"""Runs on generated people, with a tiny network where none is named."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from service.inference.errors import InvalidData
from tests.training.tiny_training import StickPeople, tiny_config, tiny_networks
from training import fit
from training.config import TrainConfig
from training.loop import Loop
from training.networks.build import build_network
from training.run import Run, empty_network, open_run
from training.skeletons import COCO
from training.stopping import StopRequest


@pytest.fixture(scope="module")
def config(stick_people_for_all: StickPeople) -> TrainConfig:
    train = stick_people_for_all("fit_train")
    return tiny_config(train, stick_people_for_all("fit_val", pictures=2, seed=1), epochs=2)


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_networks():
        yield


def _log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_weights_log_environment_and_tensorboard(
    config: TrainConfig, tmp_path: Path
) -> None:
    run = fit.train(config, tmp_path / "run")
    rows = _log(run.folder)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert 0 <= float(rows[1]["val_AP"]) <= 1
    assert float(rows[1]["learning_rate"]) < float(rows[0]["learning_rate"])
    assert all(float(row["samples_per_s"]) > 0 and float(row["seconds"]) > 0 for row in rows)
    assert list((run.folder / "tensorboard").rglob("events.*"))
    environment = json.loads((run.folder / "environment.json").read_text())
    assert environment["keras_backend"] == keras.backend.backend()
    # Of the whole run, so at least of its epochs; figures are rounded.
    assert environment["duration_s"] >= sum(float(row["seconds"]) for row in rows) - 0.01
    assert not list(run.folder.rglob("draft*"))
    reopened = open_run(run.folder)
    assert reopened.config == config
    assert reopened.epochs_done() == 2
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    answers = [reopened.network(kind).predict(pixels, verbose=0) for kind in ("final", "raw")]
    assert np.isfinite(answers).all()
    # The final weights are averages: not those that the optimizer will go on with.
    assert (answers[0] != answers[1]).any()
    assert np.isfinite(reopened.network("best").predict(pixels, verbose=0)).all()


def test_without_data_to_measure_on_the_newest_weights_are_the_best(
    config: TrainConfig, tmp_path: Path
) -> None:
    data = config.data.model_copy(update={"val": ()})
    run = fit.train(config.model_copy(update={"data": data, "epochs": 1}), tmp_path / "run")
    for left, right in zip(run.network("best").weights, run.network("final").weights, strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
    assert not [name for name in _log(run.folder)[0] if name.startswith("val_")]


def test_a_folder_that_holds_a_run_is_left_alone(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("precious")
    with pytest.raises(InvalidData, match="--resume"):
        fit.train(config, tmp_path)
    assert (tmp_path / "config.json").read_text() == "precious"


def test_a_configuration_that_cannot_work_leaves_no_folder(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.learning.learner.build_network", build_network)
    broken = config.model_copy(update={"backbone_weights": "nowhere.h5"})
    with pytest.raises(InvalidData, match=re.escape("nowhere.h5")):
        fit.train(broken, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_without_data_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    empty = config.data.model_copy(update={"train": ()})
    with pytest.raises(InvalidData, match=r"data\.train"):
        fit.train(config.model_copy(update={"data": empty}), tmp_path / "run")


def test_other_keypoints_to_measure_on_are_refused(
    config: TrainConfig, stick_people: StickPeople, tmp_path: Path
) -> None:
    other = stick_people("other")
    document = json.loads(other.annotations.read_text())
    document["categories"][0]["keypoints"] = document["categories"][0]["keypoints"][:5]
    document["categories"][0]["skeleton"] = []
    for annotation in document["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][:15]
    other.annotations.write_text(json.dumps(document))
    data = config.data.model_copy(update={"val": (other,)})
    with pytest.raises(InvalidData, match=r"person_keypoints_other\.json has 5 keypoints"):
        fit.train(config.model_copy(update={"data": data}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_resuming_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no run in"):
        open_run(tmp_path)


def test_measuring_every_second_epoch_measures_the_first_and_the_last_too(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import validation

    calls: list[int] = []

    def measured(*_: object) -> object:
        calls.append(1)
        return SimpleNamespace(metrics={"AP": 1 / len(calls)})

    monkeypatch.setattr(validation, "evaluate_alone", measured)
    rare = config.model_copy(update={"evaluate_every": 2, "epochs": 4, "epoch_samples": 4})
    run = fit.train(rare, tmp_path / "run")
    assert [row["val_AP"] for row in _log(run.folder)] == ["1.0", "", "0.5", str(1 / 3)]


def test_the_averages_that_are_measured_are_the_optimizers(
    config: TrainConfig, tmp_path: Path
) -> None:
    once = config.model_copy(update={"epochs": 1, "epoch_samples": 8})
    run = fit.train(once, tmp_path / "run")
    momentum = config.optimizer.ema_momentum
    steps: list[list[np.ndarray]] = []

    def note(learner: object) -> None:
        weights = learner.network.trainable_variables
        steps.append([np.asarray(weight).copy() for weight in weights])

    learner = fit.make_learner(once, run.skeleton)
    batches = fit.make_batches(
        [fit.read_coco(data) for data in once.data.train], once, run.skeleton
    )
    for step in range(2):
        learner.learn(*batches.batch(step, learner.rows))
        note(learner)
    kept = run.network("final").trainable_variables
    for first, second, average in zip(*steps, kept, strict=True):
        expected = momentum * first + (1 - momentum) * second
        np.testing.assert_allclose(np.asarray(average), expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_and_leaves_float32(
    precision: str, config: TrainConfig, tmp_path: Path
) -> None:
    mixed = config.model_copy(update={"precision": precision})
    before = keras.config.dtype_policy()
    learner = fit.make_learner(mixed, COCO)
    computed = {layer.compute_dtype for layer in learner.network.layers}
    assert precision.removeprefix("mixed_") in computed
    assert learner.network.output.dtype == "float32"
    assert {weight.dtype for weight in learner.network.weights} == {"float32"}
    assert hasattr(learner.optimizer, "dynamic_scale") == (precision == "mixed_float16")
    run = fit.train(mixed, tmp_path / "run")
    assert keras.config.dtype_policy() == before
    rows = _log(run.folder)
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    network = open_run(run.folder).network("best")
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}


def test_a_gradient_too_large_for_float16_is_left_out(config: TrainConfig) -> None:
    mixed = config.model_copy(update={"precision": "mixed_float16"})
    learner = fit.make_learner(mixed, COCO)
    scale = float(learner.optimizer.dynamic_scale)
    learner.optimizer.dynamic_scale.assign(1e38)
    images = np.full((4, 64, 64, 3), 255, np.uint8)
    before = [np.asarray(weight).copy() for weight in learner.network.trainable_variables]
    learner.learn(images, np.full((4, 17, 3), 20, np.float32))
    learner.synchronise()
    for left, right in zip(before, learner.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(left, np.asarray(right))
    assert float(learner.optimizer.dynamic_scale) < 1e38
    assert scale == 2**15


def test_a_network_that_is_measured_does_not_start_from_files(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.run.build_network", build_network)
    gone = config.model_copy(
        update={"backbone_weights": "gone.h5", "init_weights": Path("gone.weights.h5")}
    )
    assert empty_network(gone, COCO).name == "mobilenetv2_heatmap_debug"


def test_the_loss_of_an_epoch_is_the_mean_over_its_steps(
    config: TrainConfig, tmp_path: Path
) -> None:
    """With steps whose loss is known: no network is needed for this."""
    losses = iter(range(100))
    learner = SimpleNamespace(
        learn=lambda *_: float(next(losses)),
        any_worker=lambda wish: wish,
        is_chief=False,
        workers=1,
    )
    run = Run(tmp_path, config.model_copy(update={"epochs": 2}), None)
    seen: list[float] = []
    with StopRequest() as stop:
        loop = Loop(run, learner, fit.Position(), stop, lambda: seen.append(loop._mean_loss()))
        loop.run(iter([(None, None)] * 8), None)
    assert seen == [1.5, 5.5]
