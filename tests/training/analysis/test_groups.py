import pytest

from training.analysis.analyse import analyse


def by_name(groups) -> dict:
    return {group.name: group for group in groups}


def test_size_of_the_box_decides_the_group(scene):
    scene.answer(scene.person(100), moved={0: (60, 0)})
    scene.answer(scene.person(300, image_id=2, scale=0.25))
    sizes = by_name(analyse(scene.given()).sizes)
    assert list(sizes) == ["below 64 px", "64-128 px", "128-256 px", "from 256 px"]
    assert [group.people for group in sizes.values()] == [1, 0, 1, 0]
    small, none, middle, _ = sizes.values()
    assert (small.ap, small.recall_75) == (pytest.approx(1), 1)
    assert (none.ap, none.mean_similarity, none.recall_50) == (None, None, None)
    # Four of five joints are exact: an OKS of 0.8 passes seven of the ten thresholds.
    assert middle.mean_similarity == pytest.approx(0.8)
    assert middle.ap == pytest.approx(0.7)


def test_answers_of_another_size_are_no_errors(scene):
    scene.nobody(score=0.99)
    scene.answer(scene.person(100), score=0.5)
    sizes = by_name(analyse(scene.detected()).sizes)
    assert sizes["128-256 px"].ap == pytest.approx(1)


@pytest.mark.parametrize("kind", ["detected", "boxes"])
def test_people_who_were_not_found_reach_nothing(scene, kind):
    scene.answer(scene.person(100))
    scene.person(400)
    (group,) = [one for one in analyse(getattr(scene, kind)()).sizes if one.people]
    assert (group.people, group.recall_50, group.mean_similarity) == (2, 0.5, pytest.approx(0.5))


def test_labelled_joints_are_counted(scene):
    scene.answer(scene.person(100))
    scene.answer(scene.person(300, hidden=(0, 1, 2)), moved={3: (80, 0)})
    visibility = by_name(analyse(scene.given()).visibility)
    assert {name: group.people for name, group in visibility.items()} == {
        "1 joint": 0, "2-3 joints": 1, "4 joints": 0, "5 joints": 1,
    }  # fmt: skip
    assert visibility["2-3 joints"].mean_similarity == pytest.approx(0.5)


def test_overlap_is_that_of_the_nearest_box(scene):
    for x in (100, 120, 180, 500):
        scene.answer(scene.person(x))
    crowd = scene.person(500)
    crowd["iscrowd"] = 1
    crowding = by_name(analyse(scene.given()).crowding)
    # 100 and 120 share 80 of 120 pixels, 180 and 120 share 40 of 160; a crowd is nobody.
    assert {name: group.people for name, group in crowding.items()} == {
        "overlap below 0.1": 1, "overlap 0.1-0.5": 1, "overlap from 0.5": 2,
    }  # fmt: skip
