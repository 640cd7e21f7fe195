"""Whatever stands in a file, checking it ends with findings."""

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.config import DataSet
from training.data.checks import check_sets

FIELDS = (
    "id", "image_id", "file_name", "width", "height", "bbox", "area", "keypoints",
    "num_keypoints", "iscrowd", "category_id", "skeleton", "flip_pairs", "sigmas",
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "001.png", "left_eye", "\0", "../x", 1, 2, 10**400]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=12,
)


@pytest.fixture
def data(stick_people: Callable[..., DataSet]) -> DataSet:
    return stick_people("train", pictures=2)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    section=st.sampled_from(["images", "annotations", "categories"]),
    field=st.none() | st.sampled_from(FIELDS),
    value=VALUES,
)
def test_broken_content_never_raises(
    data: DataSet, section: str, field: str | None, value: object
) -> None:
    document = json.loads(data.annotations.read_text())
    if field is None:
        document[section] = value
    else:
        document[section][0][field] = value
    broken = data.annotations.with_name("broken.json")
    broken.write_text(json.dumps(document))
    checked = check_sets([data.model_copy(update={"annotations": broken})])
    assert checked.sets[0].findings
