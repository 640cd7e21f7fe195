"""Commands of the pages for the service: the shell's, Python's, and the answers that are shown."""

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from service.http import problems
from tests.docs.blocks import PAGES, ROOT, Block, blocks, run_by
from tests.docs.conftest import Workplace
from tests.docs.shapes import differences

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

SERVED = [page for page in PAGES if run_by("service", page)]
WITH_ANSWERS = ("api.md", "quickstart.md")


def run(block: Block, place: Workplace) -> str:
    """What the block's commands print; they must succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", place.located(block.text)],
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, f"{block.place}:\n{block.text}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", SERVED, ids=lambda page: page.name)
def test_shell_commands_of_a_page_run_as_they_stand(page: Path, served: Workplace) -> None:
    answers: dict[int, str] = {}
    for block in run_by("service", page):
        if block.language == "sh":
            answers[block.line] = run(block, served)
    if page.name in WITH_ANSWERS:
        compare_answers(page, answers)


def compare_answers(page: Path, answers: dict[int, str]) -> None:
    shown = [(asked, told) for asked, told in pairwise(blocks(page)) if told.language == "json"]
    assert shown
    for asked, told in shown:
        answer = json.loads(answers[asked.line])
        assert differences(json.loads(told.text), answer) == [], told.place


@pytest.mark.parametrize("page", SERVED, ids=lambda page: page.name)
def test_python_of_a_page_runs_as_it_stands(
    page: Path, served: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(served.folder)
    for block in run_by("service", page):
        if block.language == "python":
            exec(compile(served.located(block.text), block.place, "exec"), {"__name__": "page"})


def test_drawings_of_the_pages_are_pictures(served: Workplace) -> None:
    (block,) = [b for b in blocks(ROOT / "docs" / "api.md") if "drawn.jpg" in b.text]

    run(block, served)

    assert (served.folder / "drawn.jpg").read_bytes().startswith(b"\xff\xd8")


def test_every_problem_is_in_the_table_with_its_status() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    table = page.partition("| type | status |")[2].partition("\n\n")[0].splitlines()[2:]
    told = [tuple(cell.strip(" `") for cell in row.split("|")[1:3]) for row in table]

    kinds = [*(kind for _, kind in problems._KINDS), problems.INTERNAL]
    assert told == list(dict.fromkeys((kind.slug, str(kind.status)) for kind in kinds))
