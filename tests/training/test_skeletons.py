import pytest

from service.inference.errors import InvalidData
from training.skeletons import COCO, skeleton_of


def test_coco_has_seventeen_joints_that_mirror_by_name() -> None:
    assert len(COCO.names) == len(COCO.sigmas) == 17
    for name, mirror in zip(COCO.names, COCO.flip_order(), strict=True):
        other_side = {"left": "right", "right": "left"}
        swapped = "_".join(other_side.get(word, word) for word in name.split("_"))
        assert COCO.names[mirror] == swapped


def test_edges_join_neighbours_on_one_side_or_across_the_middle() -> None:
    names = {(COCO.names[a], COCO.names[b]) for a, b in COCO.edges}
    assert ("left_ankle", "left_knee") in names
    assert ("left_shoulder", "right_shoulder") in names
    assert not any(
        {a.split("_")[0], b.split("_")[0]} == {"left", "right"}
        and a.split("_")[1] != b.split("_")[1]
        for a, b in names
    )


def test_cocos_own_category_gives_cocos_skeleton() -> None:
    category = {
        "keypoints": list(COCO.names),
        "skeleton": [[a + 1, b + 1] for a, b in COCO.edges],
    }
    assert skeleton_of(category) == COCO


def test_other_joints_get_pairs_by_name_and_a_common_sigma() -> None:
    skeleton = skeleton_of(
        {"keypoints": ["tail", "right_paw", "left_paw"], "skeleton": [[1, 2], [1, 3]]}
    )
    assert skeleton.flip_pairs == ((2, 1),)
    assert skeleton.edges == ((0, 1), (0, 2))
    assert len(set(skeleton.sigmas)) == 1


def test_stated_pairs_and_sigmas_are_taken() -> None:
    skeleton = skeleton_of(
        {"keypoints": ["a", "b", "c"], "flip_pairs": [[0, 2]], "sigmas": [0.1, 0.2, 0.3]}
    )
    assert skeleton.flip_pairs == ((0, 2),)
    assert skeleton.sigmas == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("category", "named"),
    [
        ({}, "no `keypoints` names"),
        ({"keypoints": ["a", "a"]}, "names has duplicates"),
        ({"keypoints": ["a", "b"], "skeleton": [[1, 3]]}, "edges has an index outside"),
        ({"keypoints": ["a", "b"], "skeleton": [[0, 1]]}, "edges"),
        ({"keypoints": ["a", "b"], "skeleton": [1, 2]}, "inconsistent"),
        ({"keypoints": ["a", "b"], "flip_pairs": [[0, 5]]}, "flip_pairs has an index outside"),
        ({"keypoints": ["a", "b"], "sigmas": [0.1]}, "sigmas has 1 values, expected 2"),
        ({"keypoints": ["a", "b"], "sigmas": [0.1, -1]}, "sigmas"),
    ],
)
def test_contradiction_in_the_category_is_named(category: dict, named: str) -> None:
    with pytest.raises(InvalidData, match=named):
        skeleton_of(category)


def test_sides_are_recognised_however_they_are_spelled() -> None:
    skeleton = skeleton_of({"keypoints": ["Left Eye", "Right Eye", "EAR_RIGHT", "EAR_LEFT"]})
    assert set(skeleton.flip_pairs) == {(0, 1), (3, 2)}
