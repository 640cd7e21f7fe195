"""A checkout in small, a running service and a labelled data set for the commands of the pages."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.docs.blocks import ROOT
from tests.docs.yolo_set import write_yolo_set
from tests.e2e.conftest import start_server
from training.cli import main

ADMIN_KEY = "an-admin-key-for-the-pages"
_LINKED = (
    "README.md", "Makefile", "benchmarks", "docker", "docker-compose.yml", "docs", "pyproject.toml",
    "requirements", "service", "training",
)  # fmt: skip

_PYTHON = """\
#!/bin/sh
# Serving would go on for ever: it is started, waited for and stopped.
case "$*" in
    *--help*) ;;
    "-m service serve"*) shift 3; exec '{python}' '{root}/tests/docs/serve_briefly.py' "$@" ;;
esac
exec '{python}' "$@"
"""
# What the targets do is installing, testing and serving: that they exist and resolve is checked.
_MAKE = """\
#!/bin/sh
exec '{make}' --dry-run "$@"
"""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where the commands of a page run.

    Attributes:
        folder: the checkout in small, with `photo.jpg`, `photos/`, `clip.mp4`, `mydata/` and a
            `models/` to write into.
        port: of a service with the shipped models; 0 without one.
    """

    folder: Path
    port: int = 0

    def located(self, text: str) -> str:
        """A command of a page with the address of the service that runs here."""
        return text.replace("localhost:8000", f"localhost:{self.port}")

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("POSE_")}
        return own | {
            "PATH": f"{self.folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ADMIN_KEY": ADMIN_KEY,
        }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace beside a running service."""
    folder = _checkout(tmp_path_factory.mktemp("served"))
    server = start_server(models_dir=ROOT / "models", admin_keys=ADMIN_KEY)
    server.wait_until_ready()
    yield Workplace(folder, server.port)
    server.kill()


@pytest.fixture
def workshop(tmp_path: Path) -> Workplace:
    """A workplace with labelled pictures, also as the COCO files that the pages convert them to."""
    folder = _checkout(tmp_path)
    write_yolo_set(folder / "mydata")
    for split, name in (("train", "people.json"), ("val", "held_out.json")):
        convert = ["convert", "yolo-pose", str(folder / "mydata" / "data.yaml"), "--split", split]
        assert main([*convert, "--output", str(folder / name)]) == 0
    return Workplace(folder)


def _checkout(folder: Path) -> Path:
    for name in _LINKED:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "models", folder / "models")
    shutil.copy(ROOT / "docs" / "astronaut.jpg", folder / "photo.jpg")
    (folder / "photos").mkdir()
    for name in ("one.jpg", "two.jpg"):
        shutil.copy(ROOT / "docs" / "astronaut.jpg", folder / "photos" / name)
    cv2.imwrite(str(folder / "street.png"), np.full((240, 320, 3), 90, np.uint8))
    _write_clip(folder / "clip.mp4")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    python = _PYTHON.format(python=sys.executable, root=ROOT)
    for name, text in (("python", python), ("make", _MAKE.format(make=shutil.which("make")))):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return folder


def _write_clip(path: Path) -> None:
    """Four frames of the astronaut, who moves."""
    photo = cv2.imread(str(ROOT / "docs" / "astronaut.jpg"))
    assert photo is not None
    photo = cv2.resize(photo, (256, 256))
    clip = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (256, 256))
    for step in range(4):
        clip.write(np.roll(photo, 2 * step, axis=1))
    clip.release()
