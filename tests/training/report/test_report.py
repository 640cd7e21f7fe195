import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from service.inference.card import Conversion
from service.inference.errors import InvalidData
from tests.training.fixed_bundles import (
    CROP,
    make_card,
    write_bundle,
    write_detector_bundle,
    write_keypoint_bundle,
)
from tests.training.tiny_training import tiny_config, tiny_networks
from training.cli import main
from training.config import DataSet
from training.report.report import duration, write_report
from training.run import Run, create_run, empty_network
from training.skeletons import COCO

LOG = "epoch,loss,learning_rate,samples_per_s,val_AP,seconds\n0,3,0.1,9,0.2,61\n1,2,0.1,9,0.3,60\n"


class Page(HTMLParser):
    """Text, headings and attributes of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text("utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(autouse=True, scope="module")
def _tiny() -> Iterator[None]:
    """Small networks, and costs that need no export; `test_info` counts real ones."""
    with tiny_networks(), mock.patch("training.info._cost", return_value=(1_200_000, 34_000_000)):
        yield


@pytest.fixture
def data(stick_people: Callable[..., DataSet]) -> DataSet:
    return stick_people("val", pictures=3)


@pytest.fixture
def run(data: DataSet, tmp_path: Path) -> Run:
    return make_run(tmp_path / "my-run", data)


@pytest.fixture(scope="module")
def page(
    stick_people_for_all: Callable[..., DataSet], tmp_path_factory: pytest.TempPathFactory
) -> Page:
    """Of a run with weights after two of three epochs."""
    data = stick_people_for_all("report", pictures=3)
    run = make_run(tmp_path_factory.mktemp("report") / "my-run", data)
    save_weights(run)
    run.note_environment(
        {"cpu": {"model": "Someone's CPU", "cores": 3}, "gpus": ["Card"], "devices": ["cpu:0"]}, 125
    )
    path = write_report(run.folder, samples=2)
    assert path == run.folder / "report.html"
    return Page(path)


def make_run(folder: Path, data: DataSet) -> Run:
    run = create_run(folder, tiny_config(data, data, batch_size=8), COCO)
    (run.folder / "log.csv").write_text(LOG)
    return run


def save_weights(run: Run) -> None:
    empty_network(run.config, COCO).save_weights(run.best_weights)


def test_a_run_is_reported_with_curves_figures_and_samples(page: Page) -> None:
    for text in (
        "pose-debug/1", "2 of 3 epochs", "Training loss", "Learning rate", "Precision and recall",
        "Calibration of the joints' scores", "left shoulder", "Samples", "2 min", "1.2 M", "34 M",
        "Someone's CPU, 3 cores", "Card (not used)", "train --resume --output my-run",
    ):  # fmt: skip
        assert text in page.text
    assert 3 <= page.count("img") <= 6
    assert page.count("svg") >= 8


def test_a_page_needs_nothing_from_outside(page: Page) -> None:
    assert page.count("script") == 0
    assert page.count("link") == 0
    for _, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))


def test_a_page_tells_no_folder_of_the_machine(page: Page) -> None:
    assert str(page.path.parents[1]) not in page.source


def test_settings_that_differ_from_the_recipe_are_marked(page: Page) -> None:
    assert "differ from the recipe mobilenetv2-heatmap-debug" in page.text
    rows = re.findall(r'<tr class="changed"><td>([^<]*)</td><td>([^<]*)</td>', page.source)
    assert ("epochs", "3") in rows
    assert not any(name == "seed" for name, _ in rows)


def test_a_run_that_has_just_begun_is_reported(run: Run) -> None:
    (run.folder / "log.csv").unlink()
    page = Page(write_report(run.folder))
    assert "No epoch has ended yet." in page.text
    assert "no weights yet" in page.text
    assert "0 of 3 epochs" in page.text


def test_a_run_without_validation_data_says_so(data: DataSet, tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", tiny_config(data), COCO)
    save_weights(run)
    assert "no validation data" in Page(write_report(run.folder)).text


def test_validation_data_that_is_gone_is_said(run: Run, data: DataSet) -> None:
    save_weights(run)
    data.annotations.unlink()
    page = Page(write_report(run.folder))
    assert "not here any more" in page.text
    assert "Best epoch, as the run measured it" in page.text
    assert "0.300" in page.text


def test_data_that_was_named_must_be_there(run: Run, tmp_path: Path) -> None:
    save_weights(run)
    gone = DataSet(annotations=tmp_path / "gone.json", images=tmp_path)
    with pytest.raises(InvalidData, match=r"gone\.json"):
        write_report(run.folder, data=gone)


def test_bundles_are_reported_without_curves(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = write_keypoint_bundle(tmp_path / "joints")
    path = write_report(bundle, data=data, samples=0)
    assert path == Path("oracle-3-report.html")
    page = Page(path)
    assert "exported bundle in fp32" in page.text
    assert "Training loss" not in page.text
    assert "Precision and recall" in page.text
    assert page.count("img") == 0


def test_a_bundle_of_lower_precision_says_what_it_was_made_from(tmp_path: Path) -> None:
    conversion = Conversion(source="oracle/2", source_sha256="0" * 64, source_ap=0.5)
    changes = {"precision": "fp16", "conversion": conversion, "metrics": {"val/gt-boxes/AP": 0.49}}
    card = make_card("keypoints", CROP).model_copy(update=changes)
    joints = np.zeros((1, 17, 3), np.float32)
    bundle = write_bundle(tmp_path / "half", card, {"keypoints": joints})
    page = Page(write_report(bundle, output=tmp_path / "page.html"))
    assert "bundle in fp16, made from oracle/2 (AP 0.500)" in page.text
    assert "val/gt-boxes" in page.text
    assert "0.490" in page.text


def test_detectors_and_pipelines_are_reported(data: DataSet, tmp_path: Path) -> None:
    detector = write_detector_bundle(tmp_path / "boxes")
    page = Page(write_report(detector, data=data, output=tmp_path / "a.html", samples=1))
    assert "AR10" in page.text
    assert "height of the box" in page.text
    assert "labelled joints" not in page.text
    assert page.count("img") >= 1
    keypoints = write_keypoint_bundle(tmp_path / "joints")
    path = write_report(keypoints, data=data, detector=detector, output=tmp_path / "b.html")
    assert "Boxes: finder/3" in Page(path).text


def test_the_command_says_where_the_page_is(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pages" / "one.html"
    assert main(["report", str(run.folder), "--output", str(output)]) == 0
    assert f"wrote {output}" in capsys.readouterr().out
    assert output.is_file()


def test_a_damaged_environment_is_named(run: Run) -> None:
    (run.folder / "environment.json").write_text(json.dumps([1]))
    with pytest.raises(InvalidData, match=r"environment\.json"):
        write_report(run.folder)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4, "4 s"), (90, "2 min"), (3599, "1 h 00 min"), (3600 * 2 + 300, "2 h 05 min")],
)
def test_durations_are_in_words_that_suit_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
