"""Several devices and several hosts train the network that one device would."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from service.inference.errors import InvalidData
from tests.training.tiny_training import StickPeople, tiny_config, tiny_flags, tiny_networks
from training import fit
from training.checkpoint import last_position
from training.config import TrainConfig
from training.learning.learner import check_divisible, make_learner
from training.run import Run, open_run
from training.run_log import read_log
from training.skeletons import COCO

# Each device draws its own random numbers for dropout.
WITHOUT_DROPOUT = {"TINY_DROPOUT": "0", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "1"}
SEVERAL_DEVICES = """
import sys, runpy, tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.argv[0] = "training"
runpy.run_module("tests.training.tiny_training", run_name="__main__", alter_sys=False)
"""


@pytest.fixture(scope="module")
def config(stick_people_for_all: StickPeople) -> TrainConfig:
    train = stick_people_for_all("distribution_train")
    val = stick_people_for_all("distribution_val", pictures=2, seed=1)
    return tiny_config(train, val, epochs=1)


@pytest.fixture(scope="module")
def alone(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run on one device."""
    folder = tmp_path_factory.mktemp("runs") / "alone"
    with mock.patch.dict(os.environ, WITHOUT_DROPOUT), tiny_networks():
        return fit.train(config, folder)


_PROGRAM = [sys.executable, "-m", "tests.training.tiny_training"]


def _start(command: list[str], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, **WITHOUT_DROPOUT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _finish(process: subprocess.Popen[bytes], code: int = 0) -> str:
    try:
        output = process.communicate(timeout=240)[0].decode()
    finally:
        process.kill()
    assert process.returncode == code, output
    return output


def _assert_same(run: Run, alone: Run) -> None:
    """Up to rounding, in raw and averaged weights, batch statistics, loss and AP."""
    for kind in ("raw", "final"):
        for left, right in zip(_weights(run, kind), _weights(alone, kind), strict=True):
            np.testing.assert_allclose(left, right, atol=2e-4)
    (row,), (expected,) = read_log(run.folder).epochs, read_log(alone.folder).epochs
    assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert row["learning_rate"] == expected["learning_rate"]


def _weights(run: Run, kind: str) -> list[np.ndarray]:
    if kind == "raw":
        with np.load(run.checkpoints / "step-000000004.npz") as file:
            return [file[name] for name in file.files if name.startswith(("trained", "other"))]
    import h5py

    arrays: list[np.ndarray] = []
    with h5py.File(run.final_weights) as file:
        file.visititems(
            lambda _, item: arrays.append(item[...]) if hasattr(item, "shape") else None
        )
    return arrays


@pytest.mark.slow
def test_two_devices_train_as_one(config: TrainConfig, alone: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    flags = ["train", *tiny_flags(config, folder)]
    _finish(_start([sys.executable, "-c", SEVERAL_DEVICES, *flags]))
    _assert_same(open_run(folder), alone)


@pytest.mark.slow
def test_two_hosts_train_as_one_and_only_the_first_writes(
    config: TrainConfig, alone: Run, tmp_path: Path
) -> None:
    ports = _free_ports(2)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    folders = [tmp_path / "first", tmp_path / "second"]
    processes = [
        _start(
            [*_PROGRAM, "train", *tiny_flags(config, folder)],
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        )
        for index, folder in enumerate(folders)
    ]
    for process in processes:
        _finish(process)
    _assert_same(open_run(folders[0]), alone)
    assert last_position(folders[0] / "checkpoints").epochs == 1
    assert not folders[1].exists()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def test_a_batch_that_devices_cannot_divide_is_refused() -> None:
    check_divisible(32, 4)
    with pytest.raises(InvalidData, match=r"batch_size 30 is not a multiple of the 4 devices"):
        check_divisible(30, 4)


def test_one_device_and_several_hosts_contradict(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(InvalidData, match=r"devices.*TF_CONFIG"):
        make_learner(config.model_copy(update={"devices": "one"}), COCO)
