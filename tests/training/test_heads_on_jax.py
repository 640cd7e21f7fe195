"""Every head, neck and codec computes the same on JAX, where there is no TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.head_answers import answers


@pytest.mark.slow
def test_every_head_and_codec_computes_the_same_on_jax_without_tensorflow(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "tensorflow.py").write_text("raise ImportError('TensorFlow is not installed')")
    environment = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(blocked), str(Path.cwd())]),
    }
    file = tmp_path / "answers.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.head_answers", str(file)],
        env=os.environ | environment,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = answers()
    assert len(expected) == 8
    with np.load(file) as found:
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-3, err_msg=name)
