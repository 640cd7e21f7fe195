import pytest

from training.analysis.analyse import analyse
from training.evaluation import print_evaluation


@pytest.fixture
def shown(scene, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def show(kind: str, **options: bool) -> str:
        person = scene.person(100)
        scene.answer(person, moved={0: (60, 0)})
        if kind != "given":
            scene.nobody(score=0.95)
        measurement = getattr(scene, kind)()
        print_evaluation(measurement.evaluation, analyse(measurement), **options)
        return capsys.readouterr().out

    return show


def test_coco_table_comes_first_and_the_summary_fits_a_screen(shown):
    text = shown("detected")
    lines = text.splitlines()
    assert lines[2].split()[:3] == ["AP", "AP50", "AP75"]
    assert len(lines) < 25
    assert max(map(len, lines)) <= 80
    for wanted in ("PCK@.05", "left_hand", "128-256 px", "min_person_score", "1 background"):
        assert wanted in text
    assert "precision" in text


def test_mean_of_the_joints_is_below_them(shown):
    """One of five joints is 60 pixels off."""
    (line,) = [line for line in shown("given").splitlines() if "mean of joints" in line]
    assert line.split()[3:6] == ["0.800", "0.800", "0.800"]


def test_details_have_the_tables_that_the_summary_leaves_out(shown):
    summary, details = shown("detected"), shown("detected", details=True)
    for wanted in ("labelled joints", "joint score", "if mended", "overlap below 0.1", "inversion"):
        assert wanted in details
    assert "if mended" not in summary


def test_true_boxes_are_no_way_to_choose_the_least_score(shown):
    assert "measure with --detector" in shown("given")
    assert "measure with --detector" not in shown("detected")


def test_a_detectors_summary_has_no_joints(shown):
    text = shown("boxes")
    assert "left_hand" not in text
    assert "IoU .5" in text
    assert "1 background" in text
