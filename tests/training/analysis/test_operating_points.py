import pytest

from training.analysis.analyse import analyse


@pytest.fixture
def points(scene):
    for x, score in ((0, 0.9), (150, 0.7), (300, 0.4)):
        scene.answer(scene.person(x), score=score)
    scene.person(450)
    scene.nobody(score=0.5)
    scene.nobody(score=0.2)
    analysis = analyse(scene.detected())
    return {point.min_score: point for point in analysis.operating_points}, analysis.best


def test_threshold_trades_recall_for_precision(points):
    table, _ = points
    assert len(table) == 20
    figures = [(table[score].precision, table[score].recall) for score in (0, 0.3, 0.55, 0.8)]
    assert figures == [(3 / 5, 3 / 4), (3 / 4, 3 / 4), (1, 2 / 4), (1, 1 / 4)]
    assert table[0.3].f1 == pytest.approx(0.75)


def test_answer_with_exactly_the_score_is_kept(points):
    table, _ = points
    assert (table[0.9].answers, table[0.95].answers) == (1, 0)
    assert (table[0.95].precision, table[0.95].f1) == (None, 0)


def test_best_point_has_the_highest_f1_and_the_lowest_such_score(points):
    table, best = points
    assert best == table[0.25]
    assert best.f1 == max(point.f1 for point in table.values())


def test_errors_are_told_at_the_best_point_unless_asked_otherwise(scene):
    scene.answer(scene.person(100), score=0.8)
    scene.nobody(score=0.3)
    assert analyse(scene.detected()).errors.min_score == 0.35
    assert analyse(scene.detected()).errors.people["background"] == 0
    assert analyse(scene.detected(), min_score=0.1).errors.people["background"] == 1
    assert analyse(scene.boxes()).errors.min_score == 0.35
