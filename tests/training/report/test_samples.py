import re
from pathlib import Path

import pytest

from tests.training.analysis.conftest import Scene
from training.analysis.analyse import analyse
from training.measure import Measurement
from training.report.samples import SampleRow, sample_rows


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    scene.write_pictures()
    return scene


def rows_of(measurement: Measurement, count: int) -> dict[str, list[str]]:
    rows: tuple[SampleRow, ...] = sample_rows(measurement, analyse(measurement), count)
    return {row.title: [sample.caption for sample in row.samples] for row in rows}


def figures(captions: list[str]) -> list[float]:
    return [float(re.findall(r"[\d.]+", caption)[0]) for caption in captions]


def test_people_are_ranked_by_their_oks(scene: Scene) -> None:
    for place, shift in enumerate((10.0, 0.0, 20.0, 5.0, 15.0)):
        scene.answer(scene.person(100.0 * place, image_id=1 + place % 2), shift=shift)
    rows = rows_of(scene.given(), 1)
    assert {title: figures(captions) for title, captions in rows.items()} == {
        "Best": [1.0], "Middling": [0.61], "Worst": [0.14],
    }  # fmt: skip


def test_nobody_is_shown_twice_and_no_picture_twice_in_a_row(scene: Scene) -> None:
    for place in range(3):
        scene.answer(scene.person(150.0 * place, image_id=1), shift=4.0 * place)
    rows = rows_of(scene.given(), 2)
    assert {title: len(captions) for title, captions in rows.items()} == {
        "Best": 1, "Middling": 1, "Worst": 1,
    }  # fmt: skip
    assert len({caption for captions in rows.values() for caption in captions}) == 3


def test_people_with_few_labels_are_no_examples(scene: Scene) -> None:
    scene.answer(scene.person(50.0, hidden=(1, 2)))
    assert rows_of(scene.given(), 2) == {}
    scene.answer(scene.person(300.0))
    assert list(rows_of(scene.given(), 2)) == ["Best"]


def test_pictures_are_ranked_by_the_boxes_found_in_them(scene: Scene) -> None:
    scene.answer(scene.person(50.0, image_id=1))
    scene.answer(scene.person(300.0, image_id=1))
    scene.person(50.0, image_id=2)
    rows = rows_of(scene.boxes(), 1)
    assert rows["Best"] == ["F1 1.00, people: 2, boxes: 2, 1.png"]
    assert rows["Worst"] == ["F1 0.00, people: 1, boxes: 0, 2.png"]
