import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.inference.types import Box
from training.cli import main
from training.config import DataSet
from training.data import report
from training.data.checks import check_sets
from training.data.checks_people import CheckedPerson
from training.data.findings import Place
from training.data.report import report_values, short_names, write_report
from training.data.report_pictures import person_tag
from training.skeletons import COCO

StickPeople = Callable[..., DataSet]


def given(data: DataSet) -> str:
    return f"{data.annotations}:{data.images}"


def test_the_page_holds_counts_plots_previews_and_findings(
    stick_people: StickPeople, tmp_path: Path
) -> None:
    train, val = stick_people("train", pictures=5), stick_people("val", pictures=3, seed=1)
    document = json.loads(train.annotations.read_text())
    document["annotations"].append(document["annotations"][0] | {"id": 99})
    train.annotations.write_text(json.dumps(document))
    page = tmp_path / "pages" / "data.html"
    arguments = ["check-data", given(train), given(val), "--report", str(page), "--previews", "4"]
    assert main(arguments) == 0
    html = page.read_text()
    assert html.count("<svg") == 8
    # Four people of each set and the one that is there twice.
    assert html.count("data:image/jpeg") == 9
    assert "a person is annotated twice" in html
    assert "No picture is in two sets" in html
    people = len(document["annotations"])
    assert re.search(rf"<td>people</td>\s*<td class=\"number\">{people}</td>", html)
    assert not re.search(r"(src|href)=\"?http", html)


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "plots", lambda _: [])


@pytest.mark.usefixtures("without_plots")
def test_copies_are_shown_beside_each_other(stick_people: StickPeople) -> None:
    train, val = stick_people("train"), stick_people("val", seed=1)
    (val.images / "001.png").write_bytes((train.images / "002.png").read_bytes())
    values = report_values(check_sets([train, val]), previews=0, seed=0)
    (leak,) = values["across"]
    (tile,) = leak["tiles"]
    assert tile["caption"] == "002.png = 001.png"
    assert 'width="400"' in tile["picture"]


@pytest.mark.usefixtures("without_plots")
def test_the_seed_decides_who_is_shown(stick_people: StickPeople) -> None:
    checked = check_sets([stick_people(pictures=8)])

    def shown(seed: int) -> list[str]:
        values = report_values(checked, previews=5, seed=seed)
        return [tile["caption"] for tile in values["sets"][0]["previews"]]

    assert shown(0) == shown(0)
    assert shown(0) != shown(1)
    assert len(shown(0)) == len(set(shown(0))) == 5


def test_a_file_without_anything_still_gives_a_page(tmp_path: Path) -> None:
    nothing = DataSet(annotations=tmp_path / "none.json", images=tmp_path)
    page = tmp_path / "page.html"
    write_report(check_sets([nothing]), page, previews=3, seed=0)
    assert "the annotation file cannot be read" in page.read_text()


@pytest.mark.usefixtures("without_plots")
def test_a_page_that_cannot_be_written_is_one_sentence(
    stick_people: StickPeople, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "file" / "page.html"
    page.parent.write_text("in the way")
    assert main(["check-data", given(stick_people(pictures=1)), "--report", str(page)]) == 2
    assert f"report: cannot write {page}" in capsys.readouterr().err


def test_names_are_as_long_as_needed() -> None:
    paths = [Path("/data/a/people.json"), Path("/data/b/people.json")]
    assert short_names(paths) == ["a/people", "b/people"]
    assert short_names(paths[:1]) == ["people"]
    assert len(set(short_names([paths[0], paths[0]]))) == 2


def test_a_tile_shows_all_joints_also_far_from_the_box(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((400, 400, 3), 128, np.uint8))
    joints = np.zeros((17, 3))
    joints[5], joints[7] = (100, 100, 2), (390, 390, 2)
    person = CheckedPerson(Place("someone", (path,), 0), 1, Box(90, 90, 140, 160), joints, False)
    tag = person_tag(person, COCO)
    assert tag is not None
    path.unlink()
    assert person_tag(person, COCO) is None
