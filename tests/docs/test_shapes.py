import pytest

from tests.docs.shapes import differences

PERSON = {"score": 0.4, "keypoints": [{"name": "nose", "x": 1.5}, {"name": "left_eye", "x": 2.5}]}


def test_same_shape_with_other_numbers_is_no_difference():
    shown = {"score": 1, "keypoints": [{"name": "nose", "x": 9.0}, "…"]}

    assert differences(shown, PERSON) == []


@pytest.mark.parametrize(
    "shown",
    [
        {"score": 0.4},
        {"score": 0.4, "keypoints": [{"name": "nose", "x": 1.5}]},
        {"score": "0.4", "keypoints": ["…"]},
        {"score": 0.4, "keypoints": [{"name": "left_eye", "x": 1.5}, "…"]},
        {"score": 0.4, "keypoints": {}},
        {"score": 0.4, "joints": [], "…": "…"},
    ],
)
def test_missing_keys_other_types_lengths_and_names_are_told(shown):
    assert differences(shown, PERSON) != []
