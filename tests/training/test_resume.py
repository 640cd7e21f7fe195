"""An interrupted run goes on as if it had not been: same weights, same log."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.inference.errors import InvalidData
from tests.training.tiny_training import (
    StickPeople,
    signal_at,
    tiny_config,
    tiny_flags,
    tiny_networks,
)
from training import fit
from training.checkpoint import last_position
from training.config import TrainConfig
from training.run import Run, open_run
from training.stopping import Stopped

MIDDLE_OF_EPOCH_TWO = 6


@pytest.fixture(autouse=True, scope="module")
def _tiny() -> Iterator[None]:
    with tiny_networks():
        yield


@pytest.fixture(scope="module")
def config(stick_people_for_all: StickPeople) -> TrainConfig:
    train = stick_people_for_all("resume_train")
    return tiny_config(train, stick_people_for_all("resume_val", pictures=2, seed=1))


@pytest.fixture(scope="module")
def straight(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fit.train(config, tmp_path_factory.mktemp("runs") / "straight")


@pytest.fixture(scope="module")
def cut(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that Ctrl-C stopped in the middle of its second epoch."""
    folder = tmp_path_factory.mktemp("runs") / "cut"
    with signal_at(MIDDLE_OF_EPOCH_TWO, signal.SIGINT), pytest.raises(Stopped) as stopped:
        fit.train(config, folder)
    assert stopped.value.exit_code == 130
    return folder


def _rows(run: Run) -> list[dict[str, str]]:
    with (run.folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def _assert_same(run: Run, straight: Run) -> None:
    """In weights of every kind, optimizer, and in all of the log but times."""
    newest = "step-000000012.npz"
    with (
        np.load(run.checkpoints / newest) as left,
        np.load(straight.checkpoints / newest) as right,
    ):
        assert left.files == right.files
        for name in left.files:
            if name != "position":
                np.testing.assert_array_equal(left[name], right[name])
    for left, right in zip(
        run.network("best").weights, straight.network("best").weights, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))
    times = ("seconds", "samples_per_s")
    cleaned = [
        [{k: v for k, v in row.items() if k not in times} for row in _rows(each)]
        for each in (run, straight)
    ]
    assert cleaned[0] == cleaned[1]
    assert [row["epoch"] for row in _rows(run)] == ["0", "1", "2"]


def test_ctrl_c_in_the_middle_of_an_epoch_loses_nothing(
    cut: Path, straight: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut, folder)
    position = last_position(folder / "checkpoints")
    assert (position.step, position.epochs) == (MIDDLE_OF_EPOCH_TWO, 1)
    _assert_same(fit.resume(open_run(folder)), straight)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_epoch_goes_back_to_the_last_checkpoint(
    config: TrainConfig, straight: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    killed = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.training.tiny_training",
            "train",
            *tiny_flags(config, folder),
        ],
        env={**os.environ, "TINY_KILL_AT": str(MIDDLE_OF_EPOCH_TWO)},
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert open_run(folder).epochs_done() == 1
    _assert_same(fit.resume(open_run(folder)), straight)


def test_checkpoints_within_an_epoch_are_kept_where_minutes_say(
    config: TrainConfig, straight: Run, tmp_path: Path
) -> None:
    always = config.model_copy(update={"checkpoint_minutes": 1e-9})
    with signal_at(MIDDLE_OF_EPOCH_TWO, signal.SIGTERM), pytest.raises(Stopped) as stopped:
        fit.train(always, tmp_path / "run")
    assert stopped.value.exit_code == 143
    run = open_run(tmp_path / "run")
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert kept == ["step-000000005.npz", "step-000000006.npz"]
    _assert_same(fit.resume(run), straight)


def test_a_stop_while_measuring_measures_again(
    config: TrainConfig, straight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import validation

    measure, calls = validation.evaluate_alone, []

    def interrupted(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(validation, "evaluate_alone", interrupted)
        with pytest.raises(Stopped):
            fit.train(config, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert last_position(run.checkpoints).step == 8
    assert run.epochs_done() == 1
    _assert_same(fit.resume(run), straight)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_checkpoint_is_left_out_with_a_warning(
    damage: str, cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut, folder)
    older, newest = sorted((folder / "checkpoints").iterdir())
    assert older.name == "step-000000004.npz"
    with np.load(older) as file:
        first_weights = file["trained-00000"]
    content = bytearray(newest.read_bytes())
    middle = len(content) // 2
    for at in range(middle, middle + 400):
        content[at] ^= 0xFF
    newest.write_bytes({"cut": content[:3000], "flip": content, "empty": b""}[damage])
    restored = open_run(folder).network("raw").trainable_variables[0]
    np.testing.assert_array_equal(np.asarray(restored), first_weights)
    assert f"{newest.name} is damaged" in capsys.readouterr().err


def test_without_a_readable_checkpoint_nothing_is_begun_again(cut: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut, folder)
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"nonsense")
    with pytest.raises(InvalidData, match=r"none in .* can be read"):
        fit.resume(open_run(folder))


def test_a_checkpoint_of_another_network_is_refused(cut: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut, folder)
    run = open_run(folder)
    plain = run.config.optimizer.model_copy(update={"ema_momentum": 0.0})
    with pytest.raises(InvalidData, match="does not fit"):
        fit.resume(replace(run, config=run.config.model_copy(update={"optimizer": plain})))


def test_rows_of_the_log_without_a_checkpoint_are_written_again(
    cut: Path, straight: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut, folder)
    with (folder / "log.csv").open("a") as file:
        file.write("1,0.5,0.5,1.0,0.25\n2,0.")
    _assert_same(fit.resume(open_run(folder)), straight)


def test_a_finished_run_stays_as_it_is(straight: Run) -> None:
    before = {path: path.read_bytes() for path in straight.folder.glob("*.h5")}
    fit.resume(open_run(straight.folder))
    assert {path: path.read_bytes() for path in before} == before
    assert len(_rows(straight)) == 3


def test_a_run_whose_time_is_up_saves_and_ends_well(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="the time is up") as stopped:
        fit.train(config, tmp_path / "run", max_minutes=1e-9)
    assert stopped.value.exit_code == 0
    assert last_position(tmp_path / "run" / "checkpoints").step <= 1


def test_the_starting_weights_may_be_gone_when_a_run_goes_on(
    cut: Path, straight: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(cut, folder)
    run = open_run(folder)
    gone = run.config.model_copy(update={"init_weights": Path("gone.weights.h5")})
    _assert_same(fit.resume(replace(run, config=gone)), straight)
