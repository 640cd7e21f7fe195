"""Commands of the pages for training, word for word but for the size of the network and the run.

They run in this process, so that TensorFlow starts once: `stance …` and `python -m training …`
call the command line, everything else is the shell's.
"""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, TRAINING, Block, blocks, commands, run_by
from tests.docs.conftest import Workplace
from training.cli import main

SMALL = {"mobilenetv2-heatmap": "mobilenetv2-heatmap-debug", "imagenet": "none"}
"""Words of the pages, and what stands for them here: minutes, and nothing to download."""
SHORT = ["--epochs", "1", "--epoch-samples", "8", "--batch-size", "4", "--data.workers", "1"]
SHALLOW = ["--neck", "none", "--backbone.taps", "block_2_add"]
"""Ends the network after its first layers, since building graphs is what takes the time."""
PAGE = ROOT / "docs" / "retraining.md"
README = ROOT / "README.md"
ELSEWHERE = (README.name, "extending.md")
"""Pages with a test of their own."""
OTHERS = [page for page in PAGES if run_by("training", page) and page.name not in ELSEWHERE]


def arguments(command: str) -> list[str]:
    """What the command line gets, without `stance` or `python -m training`."""
    words = shlex.split(TRAINING.sub("", command), comments=True)
    words = [SMALL.get(word, word) for word in words]
    begins = words[0] == "train" and not {"--resume", "--help"} & set(words)
    if not begins:
        return words
    return [*words, *SHORT, *([] if "--backbone.taps" in words else SHALLOW)]


def run(block: Block, place: Workplace) -> None:
    if not block.trains:
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=place.folder,
            env=place.environment,
            check=True,
            timeout=300,
        )
        return
    for command in commands(block):
        if command.startswith("alias "):
            continue
        try:
            code = main(arguments(command))
        except SystemExit as left:
            code = left.code
        assert code in (0, None), f"{block.place}: {command}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_retraining_runs_from_labels_to_an_answer(
    workshop: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop.folder)
    for made in ("people.json", "held_out.json"):
        Path(made).unlink()

    for block in run_by("retraining", PAGE):
        run(block, workshop)

    for made in ("check.html", "runs/mine/report.html", "models/pose-mine/1/card.json", "mine.png"):
        assert (workshop.folder / made).is_file(), made


def test_readme_shows_commands_of_the_page_on_retraining() -> None:
    def told(page: Path) -> list[list[str]]:
        found = [block for block in blocks(page) if block.trains]
        lines = [line for block in found for line in commands(block) if TRAINING.match(line)]
        return [shlex.split(line, comments=True) for line in lines]

    shown = told(README)
    assert len(shown) == 5
    assert [command for command in shown if command not in told(PAGE)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_training_commands_of_other_pages_run(
    page: Path, workshop: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop.folder)
    for block in run_by("training", page):
        run(block, workshop)
