"""Small sets in the formats of others, and the command that converts them."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training import cli

WIDTH, HEIGHT = 96, 64

Convert = Callable[..., dict]
Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Writes a picture of noise, 96x64 unless a size is given, below the test's folder."""
    rng = np.random.default_rng(0)

    def write(name: str, width: int = WIDTH, height: int = HEIGHT) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), rng.integers(0, 255, (height, width, 3), np.uint8))
        return path

    return write


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Convert:
    """Runs `convert` on a path below the test's folder; `said` of the document is what it printed.

    The result must pass the `check-data` that it names as the next step.
    """

    def run(kind: str, source: str, *flags: str) -> dict:
        output = tmp_path / "converted" / "people.json"
        arguments = ["convert", kind, str(tmp_path / source), "--output", str(output), "--force"]
        assert cli.main([*arguments, *flags]) == 0
        said = capsys.readouterr().out
        check = said.splitlines()[-1].removeprefix("next: python -m training ").split()
        assert cli.main(check) == 0, capsys.readouterr().out
        capsys.readouterr()
        return json.loads(output.read_text()) | {"said": said}

    return run


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `convert` where it must fail; the one sentence that it says."""

    def run(kind: str, source: str, *flags: str) -> str:
        output = tmp_path / "refused.json"
        arguments = ["convert", kind, str(tmp_path / source), "--output", str(output)]
        assert cli.main([*arguments, *flags]) == 2
        error = capsys.readouterr().err.strip()
        assert "Traceback" not in error
        assert "\n" not in error
        assert not output.exists()
        return error

    return run


@pytest.fixture
def joints() -> Callable[..., dict[str, tuple[float, float, int]]]:
    """A person's joints by name: x, y, v."""

    def by_name(document: dict, person: int = 0) -> dict[str, tuple[float, float, int]]:
        names = document["categories"][0]["keypoints"]
        values = np.array(document["annotations"][person]["keypoints"]).reshape(-1, 3).tolist()
        return {name: tuple(joint) for name, joint in zip(names, values, strict=True)}

    return by_name
