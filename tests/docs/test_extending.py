"""The example of docs/extending.md, applied to a copy of the code, learns and is exported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, commands, run_by
from tests.docs.conftest import Workplace
from tests.docs.test_training_pages import arguments
from training.cli import main

PAGE = ROOT / "docs" / "extending.md"


def apply(folder: Path) -> None:
    """Writes the page's new files and makes its changes to existing ones."""
    for name in ("training", "service"):
        shutil.copytree(ROOT / name, folder / name)
    for block in run_by("example", PAGE):
        if block.language == "python":
            (folder / block.text.splitlines()[0].removeprefix("# ")).write_text(block.text)
        else:
            subprocess.run(
                ["git", "apply", "--unidiff-zero", "-"], cwd=folder, input=block.text, text=True,
                check=True,
            )  # fmt: skip


def with_example(block: Block) -> bool:
    return "regression" in block.text


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_example_learns_and_is_exported(
    workshop: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    code = tmp_path_factory.mktemp("code")
    apply(code)
    (block,) = filter(with_example, run_by("training", PAGE))
    calls = [arguments(command) for command in commands(block)]

    subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            f"from training.cli import main\nfor c in {calls}: assert not main(c)",
        ],
        cwd=workshop.folder,
        env=os.environ | {"PYTHONPATH": str(code)},
        check=True,
        timeout=800,
    )

    card = workshop.folder / "models" / "pose-regression" / "1" / "card.json"
    assert json.loads(card.read_text())["config"]["codec"] == {"kind": "regression"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_other_backbones_need_a_name_only(
    workshop: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workshop.folder)
    # The network is built and described; timing its steps would take longer than all the rest.
    monkeypatch.setattr("training.dry_run._time_steps", lambda *_: 1.0)
    (block,) = [b for b in run_by("training", PAGE) if not with_example(b)]

    for command in commands(block):
        assert main(arguments(command)) == 0

    assert 'name = "mobilenet"' in capsys.readouterr().out
