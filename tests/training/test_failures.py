"""What goes wrong ends with one sentence, and the run can go on from its last checkpoint."""

import errno
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from service.inference.errors import InvalidData
from tests.training.tiny_training import StickPeople, tiny_config, tiny_flags, tiny_networks
from training import cli, fit
from training.checkpoint import NotFinite, Position, last_position, save_checkpoint
from training.config import DataSet, TrainConfig
from training.failures import TrainingFailed, explained
from training.run import open_run
from training.run_log import read_log


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_networks():
        yield


@pytest.fixture(scope="module")
def config(stick_people_for_all: StickPeople) -> TrainConfig:
    return tiny_config(stick_people_for_all("failures"), epochs=2)


@contextmanager
def learning(change: Callable[[int, Callable[[], object]], object]) -> Iterator[None]:
    """`change(n, learn)` in place of the n-th step."""
    make = fit.make_learner

    def make_learner(*arguments: object) -> object:
        learner = make(*arguments)
        learn, done = learner.learn, []

        def step(*batch: object) -> object:
            done.append(1)
            return change(len(done), lambda: learn(*batch))

        learner.learn = step
        return learner

    with mock.patch.object(fit, "make_learner", make_learner):
        yield


@contextmanager
def disk_limits() -> Iterator[Callable[[int], None]]:
    """Call it: from then on, within the context, no file may grow larger, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _fails_at(step: int, error: Exception) -> Callable[[int, Callable[[], object]], object]:
    def change(number: int, learn: Callable[[], object]) -> object:
        if number == step:
            raise error
        return learn()

    return change


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        MemoryError(),
    ],
    ids=["device", "host"],
)
def test_out_of_memory_advises_and_the_run_can_go_on(
    error: Exception, config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    with learning(_fails_at(6, error)):
        assert cli.main(["train", *tiny_flags(config, folder)]) == 2
    message = capsys.readouterr().err
    assert "out of memory with batch_size 4, input 64x64 and precision float32" in message
    assert f"--resume --output {folder}" in message
    assert open_run(folder).epochs_done() == 1
    assert cli.main(["train", "--resume", "--output", str(folder)]) == 0
    assert len(read_log(folder).epochs) == 2


def test_jax_out_of_memory_is_told_from_its_other_errors(config: TrainConfig) -> None:
    learner = SimpleNamespace(out_of_memory=(RuntimeError,), lost_worker=(), workers=1)
    with (
        pytest.raises(TrainingFailed, match="out of memory"),
        explained(learner, config),
    ):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1073741824 bytes")
    with pytest.raises(RuntimeError, match="INVALID"), explained(learner, config):
        raise RuntimeError("INVALID_ARGUMENT: no")


def test_a_lost_host_is_named_as_such(config: TrainConfig) -> None:
    learner = SimpleNamespace(out_of_memory=(), lost_worker=(ConnectionError,), workers=2)
    with pytest.raises(TrainingFailed, match="another host"), explained(learner, config):
        raise ConnectionError("task 1 is unavailable")


@pytest.mark.parametrize("step", [2, 6])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint_before(
    step: int, config: TrainConfig, tmp_path: Path
) -> None:
    def change(number: int, learn: Callable[[], object]) -> object:
        return float("nan") if number == step else learn()

    with learning(change), pytest.raises(InvalidData, match=r"learning_rate \(0\.003\)") as error:
        fit.train(config, tmp_path / "run")
    epoch = 1 + step // 4
    assert f"in epoch {epoch}" in str(error.value)
    assert last_position(tmp_path / "run" / "checkpoints").step == 4 * (epoch - 1)


def test_a_learning_rate_without_measure_does_not_leave_broken_weights(
    config: TrainConfig, tmp_path: Path
) -> None:
    wild = config.optimizer.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(InvalidData, match=r"learning_rate \(1e\+30\)"):
        fit.train(config.model_copy(update={"optimizer": wild}), tmp_path / "run")
    assert last_position(tmp_path / "run" / "checkpoints") == Position()


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.AdamW()
    optimizer.build(network.trainable_variables)
    save_checkpoint(tmp_path, Position(step=1), network, optimizer)
    network.trainable_variables[0].assign(np.full((2, 1), np.nan))
    with pytest.raises(NotFinite):
        save_checkpoint(tmp_path, Position(step=2), network, optimizer)
    assert last_position(tmp_path).step == 1


def test_a_full_disk_ends_the_run_and_it_goes_on_when_there_is_room(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"

    with disk_limits() as limit:

        def change(number: int, learn: Callable[[], object]) -> object:
            if number == 6:
                limit(4096)
            return learn()

        with learning(change):
            code = cli.main(["train", *tiny_flags(config, folder)])
    message = capsys.readouterr().err
    assert code == 2, message
    assert f"cannot write {folder}" in message
    assert f"--resume --output {folder}" in message
    assert "Traceback" not in message
    assert not list(folder.rglob("draft*"))
    for kind in ("best", "final", "raw"):
        open_run(folder).network(kind)
    assert cli.main(["train", "--resume", "--output", str(folder)]) == 0
    assert len(read_log(folder).epochs) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.AdamW()
    optimizer.build(network.trainable_variables)
    save_checkpoint(tmp_path, Position(step=1), network, optimizer)

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("training.checkpoint.os.fsync", full)
    with pytest.raises(TrainingFailed, match=os.strerror(number)):
        save_checkpoint(tmp_path, Position(step=2), network, optimizer)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]


def test_a_folder_that_cannot_be_written_is_named(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "run"
    assert cli.main(["train", *tiny_flags(config, output)]) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith(f"error: output: cannot write {output}")
    assert len(message.splitlines()) == 1


def _copy(data: DataSet, folder: Path) -> DataSet:
    shutil.copytree(data.images, folder / "images")
    shutil.copy(data.annotations, folder / "people.json")
    return DataSet(annotations=folder / "people.json", images=folder / "images")


def test_a_picture_that_a_thread_cannot_read_is_named(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _copy(config.data.train[0], tmp_path)
    broken = sorted(data.images.iterdir())[0]
    broken.write_bytes(b"no picture")
    flags = tiny_flags(tiny_config(data), tmp_path / "run")
    assert cli.main(["train", *flags, "--data.workers", "3"]) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith(f"error: picture {broken}: ")
    assert len(message.splitlines()) == 1


def test_a_set_without_people_is_named(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _copy(config.data.train[0], tmp_path)
    document = json.loads(data.annotations.read_text())
    data.annotations.write_text(json.dumps({**document, "annotations": []}))
    assert cli.main(["train", *tiny_flags(tiny_config(data), tmp_path / "run")]) == 2
    assert f"no labelled samples in {data.annotations}" in capsys.readouterr().err


def test_labels_with_too_few_keypoints_are_named(
    config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _copy(config.data.train[0], tmp_path)
    document = json.loads(data.annotations.read_text())
    person = document["annotations"][0]
    person["keypoints"] = person["keypoints"][:15]
    data.annotations.write_text(json.dumps(document))
    assert cli.main(["train", *tiny_flags(tiny_config(data), tmp_path / "run")]) == 2
    message = capsys.readouterr().err.strip()
    assert str(data.annotations) in message
    assert "keypoints" in message
    assert len(message.splitlines()) == 1
