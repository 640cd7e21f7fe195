import hashlib
import json

import cv2
import numpy as np
import pytest

from service.inference.card import ModelCard
from service.inference.errors import DeviceUnavailable, InvalidBundle
from service.inference.execution import Execution
from service.inference.repository import load_bundle, load_pipeline, read_pipelines

KEYPOINTS = "test-keypoints/1"


def load(models_dir, name="default"):
    return load_pipeline(models_dir, name, Execution(device="cpu"))


def load_keypoints(models_dir):
    return load_bundle(models_dir, KEYPOINTS, Execution(device="cpu"))[0]


def edit_card(models_dir, **changes):
    path = models_dir / KEYPOINTS / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_pipeline_is_loaded_with_both_networks(models_dir):
    estimator = load(models_dir)

    assert estimator.name == "default"
    assert estimator.detector.card.name == "test-detector"
    assert estimator.keypoints.card.name == "test-keypoints"
    assert estimator.min_person_score == 0.2


def test_opencv_gets_the_threads_of_one_call(models_dir):
    before = cv2.getNumThreads()
    try:
        load(models_dir)
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def test_all_pipelines_are_read(models_dir):
    table = '\n[strict]\ndetector = "a/1"\nkeypoints = "b/2"\nmin_person_score = 0.9\n'
    path = models_dir / "pipelines.toml"
    path.write_text(path.read_text() + table)

    pipelines = read_pipelines(models_dir)

    assert sorted(pipelines) == ["default", "strict"]
    assert pipelines["strict"].keypoints == "b/2"


def test_unknown_pipeline_lists_the_known_ones(models_dir):
    with pytest.raises(InvalidBundle, match=r"pipeline is 'fast'; .*pipelines\.toml has default"):
        load(models_dir, "fast")


def test_missing_models_folder_is_named(tmp_path):
    with pytest.raises(InvalidBundle, match=r"pipelines\.toml cannot be read: No such file"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[default", "is not valid TOML"),
        ('[default]\ndetector = "a/1"', "default.keypoints: Field required"),
        ('[default]\ndetector = "a/x"\nkeypoints = "b"\nmin_person_score = 0', "default.detector"),
        (
            '[default]\ndetector = "../a/1"\nkeypoints = "b/1"\nmin_person_score = 0',
            "default.detector = '../a/1'",
        ),
        (
            '[default]\ndetector = "a/1"\nkeypoints = "b/1"\nmin_person_score = 2',
            "default.min_person_score = 2",
        ),
        (
            '[default]\ndetector = "a/1"\nkeypoints = "b/1"\nmin_person_score = 0\ncolour = 1',
            "default.colour",
        ),
        ("detector = 1", "detector = 1"),
    ],
)
def test_broken_pipeline_table_is_refused(models_dir, content, message):
    (models_dir / "pipelines.toml").write_text(content)

    with pytest.raises(InvalidBundle) as caught:
        load(models_dir)
    assert message in str(caught.value)


def test_table_that_is_not_text_is_refused(models_dir):
    (models_dir / "pipelines.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InvalidBundle, match="is not valid TOML"):
        load(models_dir)


def test_missing_bundle_is_named(models_dir):
    (models_dir / KEYPOINTS / "model.onnx").unlink()

    with pytest.raises(InvalidBundle, match=r"test-keypoints/1/model\.onnx does not exist"):
        load(models_dir)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'detector = "test-detector/1"',
            'detector = "test-keypoints/1"',
            "names test-keypoints/1 of task keypoints; expected a bundle of task detection",
        ),
        (
            'keypoints = "test-keypoints/1"',
            'keypoints = "test-detector/1"',
            "names test-detector/1 of task detection; expected a bundle of task keypoints",
        ),
    ],
)
def test_bundle_in_the_wrong_place_is_refused(models_dir, old, new, message):
    path = models_dir / "pipelines.toml"
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(InvalidBundle, match=message):
        load(models_dir)


@pytest.mark.parametrize("reference", ["", "test-keypoints", "../test-keypoints/1", "a/b/1", "a/0"])
def test_malformed_reference_is_refused(models_dir, reference):
    with pytest.raises(InvalidBundle, match="expected name/version"):
        load_bundle(models_dir, reference, Execution(device="cpu"))


def test_bundle_in_the_wrong_folder_is_refused(models_dir):
    (models_dir / "test-keypoints" / "1").rename(models_dir / "test-keypoints" / "2")

    with pytest.raises(InvalidBundle, match=r"is test-keypoints/1 by its card, not .*/2"):
        load_bundle(models_dir, "test-keypoints/2", Execution(device="cpu"))


def test_card_beside_the_model_may_be_missing(models_dir):
    (models_dir / KEYPOINTS / "card.json").unlink()

    assert load_keypoints(models_dir).card.name == "test-keypoints"


def test_other_hash_than_the_cards_is_refused(models_dir):
    edit_card(models_dir, sha256="0" * 64)

    with pytest.raises(InvalidBundle, match=r"has the SHA-256 [0-9a-f]{64}; .*expects 000"):
        load_keypoints(models_dir)


def test_card_that_differs_from_the_one_inside_is_refused(models_dir):
    edit_card(models_dir, metrics={"ap": 0.99})

    with pytest.raises(InvalidBundle, match=r"card\.json differs in metrics"):
        load_keypoints(models_dir)


def test_broken_card_beside_the_model_is_refused(models_dir):
    edit_card(models_dir, version="one")

    with pytest.raises(InvalidBundle, match=r"card\.json is invalid: version = 'one'"):
        load_keypoints(models_dir)


def test_card_beside_the_model_survives_json(models_dir):
    card = ModelCard.model_validate_json((models_dir / KEYPOINTS / "card.json").read_bytes())

    assert card.sha256 is not None
    assert card == load_keypoints(models_dir).card


def test_card_of_a_loaded_bundle_has_the_files_hash(models_dir):
    (models_dir / KEYPOINTS / "card.json").unlink()

    content = (models_dir / KEYPOINTS / "model.onnx").read_bytes()
    assert load_keypoints(models_dir).card.sha256 == hashlib.sha256(content).hexdigest()


def test_network_with_nonsense_answers_is_refused(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card, joints=[[1.0, np.inf, 0.5]] * 17)
    bundles.write(tmp_path, card, model)

    with pytest.raises(InvalidBundle, match=r"model\.onnx: output keypoints is not finite"):
        load_keypoints(tmp_path)


def test_device_is_a_promise(models_dir):
    with pytest.raises(DeviceUnavailable, match="device cuda cannot run"):
        load_pipeline(models_dir, "default", Execution(device="cuda"))
