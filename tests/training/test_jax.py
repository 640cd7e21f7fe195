"""The same runs on JAX, on a machine without TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny_training import StickPeople, tiny_config, tiny_flags
from training.run_log import read_log

SCRIPT = """
import json, signal, sys
from pathlib import Path
from tests.training.tiny_training import signal_at, tiny_networks
from training.cli import main
import keras

assert keras.backend.backend() == "jax"
folder, data, *flags = sys.argv[1:]
one = [f"{folder}/one" if flag == "OUTPUT" else flag for flag in flags]
two = [f"{folder}/two" if flag == "OUTPUT" else flag for flag in flags]
with tiny_networks():
    with signal_at(2, signal.SIGINT):
        assert main(["train", *one, "--devices", "one"]) == 130
    assert main(["train", "--resume", "--output", f"{folder}/one"]) == 0
    assert main(["train", *two]) == 0
    assert main(["evaluate", f"{folder}/one", "--data", data, "--json"]) == 0
    assert main(["export", f"{folder}/one", "--models-dir", f"{folder}/models"]) == 2
assert "tensorflow" not in sys.modules
"""


@pytest.mark.slow
def test_train_resume_and_evaluate_on_jax_without_tensorflow(
    stick_people: StickPeople, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "tensorflow.py").write_text("raise ImportError('TensorFlow is not installed')")
    config = tiny_config(stick_people(), stick_people("val", pictures=2, seed=1), epochs=1)
    data = f"{config.data.val[0].annotations}:{config.data.val[0].images}"
    flags = ["OUTPUT" if flag == "-" else flag for flag in tiny_flags(config, Path("-"))]
    environment = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join([str(blocked), str(Path.cwd())]),
        "TINY_DROPOUT": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), data, *flags],
        env=os.environ | environment,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "TensorFlow" in done.stderr.decode().splitlines()[-1]
    assert not (tmp_path / "one" / "tensorboard").exists()
    # The interrupted run on one device and the straight one on two end alike.
    (one,), (two,) = (read_log(tmp_path / name).epochs for name in ("one", "two"))
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
    newest = Path("checkpoints") / "step-000000004.npz"
    with np.load(tmp_path / "one" / newest) as left, np.load(tmp_path / "two" / newest) as right:
        for name in left.files:
            if name != "position":
                np.testing.assert_allclose(left[name], right[name], atol=2e-4)
