"""Runs of the debug recipe on generated people: seconds each."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.inference.errors import InvalidData
from training import fit
from training.config import DataSet, TrainConfig
from training.recipes import recipe
from training.run import Run, open_run
from training.skeletons import COCO

StickPeople = Callable[..., DataSet]


@pytest.fixture(scope="module")
def config(stick_people_for_all: StickPeople) -> TrainConfig:
    start = recipe("mobilenetv2-heatmap-debug")
    sets = {
        "train": (stick_people_for_all("train"),),
        "val": (stick_people_for_all("val", pictures=2, seed=1),),
    }
    return start.model_copy(
        update={
            "data": start.data.model_copy(update=sets),
            "batch_size": 4,
            "epoch_samples": 16,
            "epochs": 2,
        }
    )


@pytest.fixture(scope="module")
def straight(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An uninterrupted run."""
    return fit.train(config, tmp_path_factory.mktemp("runs") / "straight")


def _log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_ends(
    config: TrainConfig, straight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit.Progress, "on_epoch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit.train(config, tmp_path / "cut")
    assert open_run(tmp_path / "cut").epochs_done() == 1
    resumed = fit.resume(tmp_path / "cut")

    assert resumed.epochs_done() == straight.epochs_done() == 2
    for left, right in zip(
        resumed.network("raw").weights, straight.network("raw").weights, strict=True
    ):
        np.testing.assert_allclose(np.asarray(left), np.asarray(right), atol=1e-6)
    assert [row["epoch"] for row in _log(tmp_path / "cut")] == ["0", "1"]


@pytest.mark.slow
def test_a_run_leaves_weights_log_and_tensorboard(config: TrainConfig, straight: Run) -> None:
    rows = _log(straight.folder)
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert 0 <= float(rows[1]["val_AP"]) <= 1
    assert [path.name for path in straight.checkpoints.iterdir()] == ["00002"]
    assert list((straight.folder / "tensorboard").rglob("events.*"))
    reopened = open_run(straight.folder)
    assert reopened.config == config
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    answers = [reopened.network(kind).predict(pixels, verbose=0) for kind in ("final", "raw")]
    assert np.isfinite(answers).all()
    # The final weights are averages: not those that the optimizer will go on with.
    assert (answers[0] != answers[1]).any()
    assert np.isfinite(reopened.network("best").predict(pixels, verbose=0)).all()


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_with_advice(
    config: TrainConfig, tmp_path: Path
) -> None:
    wild = config.optimizer.model_copy(update={"learning_rate": 1e30, "warmup_fraction": 0.0})
    with pytest.raises(InvalidData, match=r"learning_rate \(1e\+30\)"):
        fit.train(config.model_copy(update={"optimizer": wild}), tmp_path / "run")


def test_a_folder_that_holds_a_run_is_left_alone(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("precious")
    with pytest.raises(InvalidData, match="--resume"):
        fit.train(config, tmp_path)
    assert (tmp_path / "config.json").read_text() == "precious"


def test_a_configuration_that_cannot_work_leaves_no_folder(
    config: TrainConfig, tmp_path: Path
) -> None:
    broken = config.model_copy(update={"backbone_weights": "nowhere.h5"})
    with pytest.raises(InvalidData, match=re.escape("nowhere.h5")):
        fit.train(broken, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_without_data_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    empty = config.data.model_copy(update={"train": ()})
    with pytest.raises(InvalidData, match=r"data\.train"):
        fit.train(config.model_copy(update={"data": empty}), tmp_path / "run")


def test_resuming_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no run in"):
        fit.resume(tmp_path)


def test_measuring_every_second_epoch_still_logs_the_figures(
    config: TrainConfig, tmp_path: Path
) -> None:
    calls: list[int] = []
    validate = fit.Validate(
        fit.create_run(
            tmp_path / "run", config.model_copy(update={"evaluate_every": 2, "epochs": 4}), None
        ),
        lambda _: {"AP": float(len(calls))},
        best=float("-inf"),
    )
    model = fit.compile_network(config, COCO)
    validate.set_model(model)
    for epoch in range(4):
        logs: dict[str, float] = {}
        validate.on_epoch_end(epoch, logs)
        calls += [epoch] * ("val_AP" in logs)
    assert calls == [0, 2, 3]
    assert validate.best == 2.0
