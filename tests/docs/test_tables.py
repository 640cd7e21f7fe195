"""The generated tables, of folders and declarations other than the shipped ones."""

import json
import shutil
from pathlib import Path

import pytest

from docs.tables.models import bundle_table, pipeline_table, what_ships
from docs.tables.pages import renewed
from tests.docs.blocks import ROOT

SMALL = """
[small]
detector = "person-detector"
keypoints = "pose-small/2"
min_person_score = 0.3
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped bundles, and a second pipeline with a network measured on another set."""
    folder = tmp_path / "models"
    shutil.copytree(ROOT / "models", folder)
    with (folder / "pipelines.toml").open("a") as file:
        file.write(SMALL)
    (bundle,) = folder.glob("pose-mobilenetv2/4")
    shutil.copytree(bundle, folder / "pose-small" / "2")
    path = folder / "pose-small" / "2" / "card.json"
    card = json.loads(path.read_text())
    metrics = {"own/val/gt-boxes/AP": 0.5, "own/val/gt-boxes/AP50": 0.75, "own/val/pictures": 7}
    path.write_text(json.dumps(card | {"name": "pose-small", "version": 2, "metrics": metrics}))
    return folder


def test_every_pipeline_and_bundle_has_a_row(models: Path) -> None:
    table = what_ships(models)

    assert "| `pose-small/2` | 192x128 crop |" in table
    assert "| AP 0.500, AP50 0.750 with true boxes (7 pictures of own/val) |" in table
    assert "| `small`, end to end | | | AP not measured |" in table
    assert table.count("`person-detector/4`") == 1


def test_a_bundle_without_its_version_is_the_newest(models: Path) -> None:
    assert "| `small` | `person-detector/4` | `pose-small/2` | 0.3 |" in pipeline_table(models)


def test_bundles_that_no_pipeline_names_are_listed_too(models: Path) -> None:
    (models / "pipelines.toml").write_text(SMALL)

    assert "`pose-mobilenetv2/4`" in bundle_table(models)


def test_only_what_stands_between_the_marks_is_written() -> None:
    text = "before\n<!-- generated: x -->\nold\n<!-- end of x -->\nafter\n"

    new = renewed(text, {"x": "new"})

    assert new == text.replace("old", "new")
    assert renewed(new, {"x": "new"}) == new
