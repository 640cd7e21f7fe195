import json

import cv2
import numpy as np
import pytest

from service.inference.errors import InvalidInput
from training.analysis.analyse import analyse
from training.analysis.errors import find_errors
from training.analysis.save_errors import check_folder, save_errors
from training.analysis.worst_cases import worst_cases

LEFT_HAND, RIGHT_HAND = 1, 2
RED, GREY = (255, 50, 50), (90, 90, 90)


def saved(scene, kind, folder, min_score=0.0):
    scene.write_pictures()
    measurement = getattr(scene, kind)()
    save_errors(measurement, analyse(measurement, min_score=min_score), folder)
    return json.loads((folder / "errors.json").read_text())


def pixels_of(path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB).astype(int)


def count_near(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels - colour).max(axis=2) < 60).sum())


def test_worst_cases_lie_in_folders_by_kind_worst_first(scene, tmp_path):
    little = scene.person(100)
    scene.answer(little, moved={LEFT_HAND: (0, -60)})
    lot = scene.person(250, image_id=2)
    scene.answer(lot, moved={LEFT_HAND: (0, -60), RIGHT_HAND: (0, -60)})
    inverted = scene.person(400)
    scene.answer(inverted, at={LEFT_HAND: (405, 180)})
    scene.answer(scene.person(500, image_id=2))
    document = saved(scene, "given", tmp_path / "errors")
    assert [(case["kind"], case["annotation"]) for case in document["cases"]] == [
        ("miss", lot["id"]),
        ("miss", little["id"]),
        ("inversion", inverted["id"]),
    ]
    assert document["cases"][0]["joints"] == {"left_hand": "miss", "right_hand": "miss"}
    assert document["joints"] == {"good": 16, "jitter": 0, "inversion": 1, "swap": 0, "miss": 3}
    files = {str(file.relative_to(tmp_path / "errors")) for file in tmp_path.rglob("*.jpg")}
    assert files == {case["file"] for case in document["cases"]}
    assert files == {"miss/01-2.jpg", "miss/02-1.jpg", "inversion/01-1.jpg"}


def test_wrong_joint_is_ringed_in_the_answer_only(scene, tmp_path):
    scene.answer(scene.person(100), moved={0: (60, 0)})
    document = saved(scene, "given", tmp_path / "errors")
    pixels = pixels_of(tmp_path / "errors" / document["cases"][0]["file"])
    truth, answer = np.split(pixels[:, : pixels.shape[1] // 2 * 2], 2, axis=1)
    assert count_near(answer, RED) > 100
    assert count_near(truth, RED) == 0


@pytest.mark.parametrize("kind", ["detected", "boxes"])
def test_wrong_people_are_drawn_too(scene, kind, tmp_path):
    person = scene.person(100)
    scene.answer(person, score=0.9)
    scene.answer(person, score=0.8, shift=2)
    missed = scene.person(350)
    scene.nobody(score=0.7)
    document = saved(scene, kind, tmp_path / "errors", min_score=0.5)
    cases = {case["kind"]: case for case in document["cases"]}
    assert set(cases) == {"missed_person", "background", "duplicate"}
    assert (cases["missed_person"]["annotation"], cases["missed_person"]["score"]) == (
        missed["id"],
        None,
    )
    assert cases["background"]["score"] == 0.7
    for case in cases.values():
        assert count_near(pixels_of(tmp_path / "errors" / case["file"]), RED) > 100


def test_page_shows_every_case_and_loads_nothing(scene, tmp_path):
    scene.answer(scene.person(100), moved={0: (60, 0)})
    document = saved(scene, "given", tmp_path / "errors")
    page = (tmp_path / "errors" / "index.html").read_text()
    assert f'<a href="{document["cases"][0]["file"]}">' in page
    assert page.count("<img") == len(document["cases"]) == 1
    assert "OKS 0.80" in page
    assert 'src="http' not in page


def test_without_errors_there_is_a_page_that_says_so(scene, tmp_path):
    scene.answer(scene.person(100))
    assert saved(scene, "given", tmp_path / "errors")["cases"] == []
    assert "No errors." in (tmp_path / "errors" / "index.html").read_text()


def test_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="is no empty folder"):
        check_folder(tmp_path)
    with pytest.raises(InvalidInput, match="is no empty folder"):
        check_folder(tmp_path / "kept.txt")
    check_folder(tmp_path / "new")


def test_no_more_than_asked_of_each_kind(scene):
    for x in range(0, 500, 100):
        scene.answer(scene.person(x), moved={0: (0, -40 - x)}, score=0.1 + x / 1000)
    measurement = scene.given()
    cases = worst_cases(measurement, find_errors(measurement, 0.0), most=2)
    assert [len(found) for found in cases.values()] == [2]
    similarities = [case.similarity for case in cases["miss"]]
    assert similarities == sorted(similarities)


def test_people_at_the_edge_and_of_no_size_can_be_drawn(scene, tmp_path):
    tiny = scene.person(639, scale=0.001)
    scene.answer(tiny, shift=200)
    outside = scene.person(-150)
    scene.answer(outside, shift=900)
    document = saved(scene, "given", tmp_path / "errors")
    assert len(document["cases"]) == 2
