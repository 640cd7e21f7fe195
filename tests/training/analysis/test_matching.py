import numpy as np
import pytest

from training.coco_tool import average_precision, box_overlaps, match, precision_curves


def test_surest_answer_takes_the_person_and_the_next_one_finds_nobody(scene):
    person = scene.person(100)
    scene.answer(person, score=0.5)
    scene.answer(person, score=0.7, shift=3)
    scene.answer(scene.person(300, image_id=2), score=0.6)
    (found,) = match(scene.detected().comparison, (0.5,))
    assert found.person.tolist() == [-1, 0, 1]
    assert found.result.tolist() == [1, 2]
    assert found.similarity[1] == pytest.approx(np.exp(-9 / 200))
    assert found.nearest.tolist() == pytest.approx([1, np.exp(-9 / 200), 1])
    assert found.counts.all()
    assert found.expected.all()


def test_similarity_decides_who_is_found(scene):
    scene.answer(scene.person(100), shift=12)  # an OKS of 0.49
    strict, loose = match(scene.detected().comparison, (0.5, 0.1))
    assert (strict.person.tolist(), loose.person.tolist()) == ([-1], [0])
    assert strict.similarity.tolist() == [0]
    assert strict.nearest.tolist() == loose.similarity.tolist()


@pytest.mark.parametrize("kind", ["detected", "boxes"])
def test_ignored_people_between_the_others_keep_the_order(scene, kind):
    people = [scene.person(x) for x in (0, 150, 300, 450)]
    people[0]["iscrowd"] = people[2]["iscrowd"] = 1
    for person in reversed(people):
        scene.answer(person)
    (found,) = match(getattr(scene, kind)().comparison, (0.5,))
    assert found.expected.tolist() == [False, True, False, True]
    assert found.person.tolist() == [3, 2, 1, 0]
    assert found.counts.tolist() == [True, False, True, False]
    assert found.similarity.tolist() == pytest.approx([1] * 4)


def test_only_the_best_twenty_answers_of_a_picture_count(scene):
    person = scene.person(100)
    scene.answer(person, score=0.01)
    for _ in range(20):
        scene.nobody(score=0.5)
    (found,) = match(scene.detected().comparison, (0.5,))
    assert found.person[0] == -1
    assert found.counts.tolist() == [False] + [True] * 20


@pytest.mark.parametrize("kind", ["given", "boxes"])
def test_precision_is_that_of_coco(scene, kind):
    scene.answer(scene.person(100), score=0.4, shift=7)
    scene.answer(scene.person(300), score=0.7, shift=3)
    scene.person(500)
    measurement = getattr(scene, kind)()
    metrics = measurement.evaluation.metrics
    assert average_precision(measurement.comparison) == pytest.approx(metrics["AP"])
    at_50, at_75 = precision_curves(measurement.comparison, (0.5, 0.75))
    assert at_50.precision.mean() == pytest.approx(metrics["AP50"])
    assert at_75.precision.mean() == pytest.approx(metrics["AP75"])
    assert (at_50.recall[0], at_50.recall[-1], len(at_50.recall)) == (0, 1, 101)
    assert at_50.score[[10, 50, 80]].tolist() == [0.7, 0.4, 0]


def test_nobody_to_be_found_has_no_precision(scene):
    scene.nobody()
    assert average_precision(scene.detected().comparison) is None


def test_overlap_of_boxes():
    boxes = np.array([(0, 0, 10, 10), (5, 0, 10, 10)], float)
    assert box_overlaps(boxes, boxes).round(3).tolist() == [[1, 0.333], [0.333, 1]]
    assert box_overlaps(boxes, np.zeros((0, 4))).shape == (2, 0)
