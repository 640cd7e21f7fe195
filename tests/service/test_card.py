import pytest
from pydantic import ValidationError

from service.inference.card import InputSize, ModelCard, Skeleton

CONVERSION = {"source": "test/1", "source_sha256": "5" * 64, "source_ap": 0.5}


def fields(card):
    return card.model_dump(mode="json")


def test_card_survives_json(bundles):
    card = bundles.keypoints_card()

    assert ModelCard.model_validate_json(card.model_dump_json()) == card


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"name": "../secret"}, "name"),
        ({"version": 0}, "version"),
        ({"task": "segmentation"}, "task"),
        ({"input": {"height": 8, "width": 64}}, "height"),
        ({"crop_padding": 0.5}, "crop_padding"),
        ({"sha256": "abc"}, "sha256"),
        ({"colour": "red"}, "colour"),
        ({"skeleton": None}, "skeleton"),
        ({"crop_padding": None}, "crop_padding"),
        ({"precision": "fp8"}, "precision"),
        ({"precision": "int8"}, "conversion is required for precision int8"),
        ({"conversion": CONVERSION}, "conversion must be absent for precision fp32"),
        ({"precision": "fp16", "conversion": CONVERSION | {"source_sha256": "5"}}, "source_sha256"),
        ({"opset": 0}, "opset"),
    ],
)
def test_wrong_field_is_named(bundles, changes, field):
    with pytest.raises(ValidationError, match=field):
        ModelCard.model_validate({**fields(bundles.keypoints_card()), **changes})


@pytest.mark.parametrize("field", ["name", "recipe", "data", "metrics", "config", "input"])
def test_missing_field_is_named(bundles, field):
    values = fields(bundles.keypoints_card())
    del values[field]

    with pytest.raises(ValidationError, match=field):
        ModelCard.model_validate(values)


def test_card_from_before_precision_was_noted_is_of_full_precision(bundles):
    values = fields(bundles.keypoints_card())
    for field in ("precision", "opset", "conversion"):
        del values[field]

    assert ModelCard.model_validate(values).precision == "fp32"


def test_detector_has_no_skeleton(bundles):
    skeleton = fields(bundles.keypoints_card())["skeleton"]

    with pytest.raises(ValidationError, match="skeleton must be absent for task detection"):
        ModelCard.model_validate({**fields(bundles.detector_card()), "skeleton": skeleton})


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([(32, 96), (32, 96)], "other_inputs names a size twice"),
        ([(64, 64)], "or that of input"),
        ([(8, 96)], "height"),
    ],
)
def test_other_sizes_of_a_detector_differ(bundles, sizes, message):
    others = [{"height": height, "width": width} for height, width in sizes]

    with pytest.raises(ValidationError, match=message):
        ModelCard.model_validate({**fields(bundles.detector_card()), "other_inputs": others})


def test_crops_have_one_size(bundles):
    others = [{"height": 32, "width": 96}]

    with pytest.raises(ValidationError, match="other_inputs must be absent for task keypoints"):
        ModelCard.model_validate({**fields(bundles.keypoints_card()), "other_inputs": others})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "a", "c")}, "duplicates"),
        ({"sigmas": (0.1, 0.1)}, "2 values, expected 3"),
        ({"sigmas": (0.1, 0.1, 0.0)}, "greater than 0"),
        ({"edges": ((0, 3),)}, r"edges has an index outside 0\.\.2"),
        ({"edges": ((0, -1),)}, "greater than or equal to 0"),
        ({"flip_pairs": ((1, 2), (0, 1))}, "names a keypoint twice"),
    ],
)
def test_inconsistent_skeleton_is_refused(changes, message):
    skeleton = {
        "names": ("nose", "left_eye", "right_eye"),
        "edges": ((0, 1),),
        "flip_pairs": ((1, 2),),
        "sigmas": (0.1, 0.1, 0.1),
    }

    with pytest.raises(ValidationError, match=message):
        Skeleton(**{**skeleton, **changes})


def test_flip_order_swaps_pairs_and_keeps_the_rest(bundles):
    order = bundles.skeleton.flip_order()

    assert order[:5] == [0, 2, 1, 4, 3]
    assert [order[index] for index in order] == list(range(17))


def test_card_cannot_be_changed(bundles):
    with pytest.raises(ValidationError, match="frozen"):
        bundles.keypoints_card().input = InputSize(height=16, width=16)
