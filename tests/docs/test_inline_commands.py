"""Commands within sentences: what they name exists. They are not run, their flags are looked up."""

import io
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.cli import main as service
from tests.docs.blocks import FENCES, PAGES, ROOT
from training.cli import _VERBS as TRAINING_VERBS
from training.cli import main as training

CODE = re.compile(r"`([^`]+)`")
FLAG = re.compile(r"--[a-z][\w.-]*")
MODULE = re.compile(r"(?:\.venv/bin/)?python -m (?P<module>[\w.]+)(?: (?P<rest>.*))?")
SERVICE_VERBS = ("serve", "predict", "bench")
OF_OTHERS = {
    "--require-hashes", "--data-binary", "--profile", "--rm", "--output", "--wait-ms",
}  # fmt: skip
"""Flags of pip, uv, curl, Docker and the benchmarks."""


def spans(page: Path) -> list[str]:
    """What stands between backticks in the sentences of a page, each on one line."""
    return [" ".join(span.split()) for span in CODE.findall(FENCES.sub("", page.read_text()))]


@cache
def flags_of(run: Callable[[Sequence[str]], int], verb: str) -> set[str]:
    """The flags that the help of a verb lists."""
    told = io.StringIO()
    with redirect_stdout(told), pytest.raises(SystemExit):
        run([verb, "--help"])
    return set(FLAG.findall(told.getvalue()))


def all_flags() -> set[str]:
    verbs = [verb for verb in TRAINING_VERBS if verb != "recipes"]
    found = [flags_of(service, verb) for verb in SERVICE_VERBS]
    return OF_OTHERS.union(*found, *(flags_of(training, verb) for verb in verbs))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_and_their_flags_exist(page: Path) -> None:
    for span in spans(page):
        match = MODULE.fullmatch(re.sub(r"^stance ", "python -m training ", span))
        if match is None:
            continue
        module, rest = match["module"], (match["rest"] or "").split()
        assert find_spec(module) is not None, span
        mains = {"service": (service, SERVICE_VERBS), "training": (training, TRAINING_VERBS)}
        if module in mains and rest:
            run, verbs = mains[module]
            assert rest[0] in verbs, span
            asked = set(FLAG.findall(span)) - {"--help"}
            assert not asked or asked <= flags_of(run, rest[0]), span


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_in_sentences_exist(page: Path) -> None:
    named = {flag for span in spans(page) if span.startswith("--") for flag in FLAG.findall(span)}

    assert named - all_flags() == set()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_targets_of_make_exist() -> None:
    named = {span for page in PAGES for span in spans(page) if re.match(r"make [a-z]", span)}

    assert named
    for command in named:
        words = re.sub(r'ARGS="[^"]*"', "", command).split()[1:]
        done = subprocess.run(
            ["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_extras_that_pip_is_asked_for_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {
        extra
        for page in PAGES
        for extras in re.findall(r"stance\[([\w,]+)\]", page.read_text())
        for extra in extras.split(",")
    }

    assert named <= set(project["optional-dependencies"])
