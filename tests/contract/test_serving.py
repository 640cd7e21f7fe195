"""A bundle that training wrote is served with the answers that Keras gives."""

import hashlib
import json

import numpy as np
import onnx

from service.inference.card import METADATA_KEY, ModelCard
from service.inference.execution import Execution
from service.inference.session import open_session
from service.inference.types import Box

# Enlarged by the crop's padding of 1.25 it is the whole picture, on which the networks were aimed.
MIDDLE = Box(51.2, 51.2, 460.8, 460.8)
BOXES = [MIDDLE, Box(150, 20, 330, 500), Box(0, 0, 100, 300)]


def joints(persons):
    return np.array([[(joint.x, joint.y) for joint in person.keypoints] for person in persons])


def scores(persons):
    return np.array([[joint.score for joint in person.keypoints] for person in persons])


def test_served_joints_are_those_of_keras_in_the_pixels_of_the_picture(pipelines, astronaut):
    served, keras = pipelines
    actual = served.predict(astronaut, boxes=BOXES).persons
    expected = keras.predict(astronaut, boxes=BOXES).persons

    inner = np.abs(joints(expected) - 256) < 200
    assert inner.all(axis=-1).sum() > 10, "most joints stick to a border: nothing is tested"
    assert np.abs(joints(actual) - joints(expected)).max() < 0.5
    assert np.abs(scores(actual) - scores(expected)).max() < 0.01


def test_people_that_the_bundles_find_are_those_that_keras_finds(pipelines, astronaut):
    served, keras = pipelines
    actual = served.predict(astronaut).persons
    expected = keras.predict(astronaut).persons

    assert len(actual) == len(expected) > 1
    for one, other in zip(actual, expected, strict=True):
        corners = [(box.x0, box.y0, box.x1, box.y1) for box in (one.box, other.box)]
        np.testing.assert_allclose(*corners, atol=0.5)
        np.testing.assert_allclose(joints([one]), joints([other]), atol=0.5)


def test_batches_of_one_and_of_seven_give_equal_answers(pipelines, astronaut):
    served, _ = pipelines
    boxes = [Box(20 * i, 10 * i, 200 + 30 * i, 300 + 20 * i) for i in range(7)]
    crops, _ = served.crops(astronaut, boxes)

    together = served.keypoints.run(crops)["keypoints"]
    alone = [served.keypoints.run(crop[np.newaxis])["keypoints"] for crop in crops]

    assert together.shape == (7, 17, 3)
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-3)


def test_card_in_the_file_is_the_card_beside_it_and_what_the_service_reads(pose, detector):
    for path in (pose.path, detector.path):
        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        embedded = json.loads(metadata[METADATA_KEY])
        beside = json.loads((path.parent / "card.json").read_text())

        assert beside.pop("sha256") == hashlib.sha256(path.read_bytes()).hexdigest()
        assert embedded.pop("sha256") is None
        assert beside == embedded
        card = open_session(path, Execution(device="cpu")).card
        assert card == ModelCard.model_validate(embedded)
        assert card.model_dump(mode="json", exclude={"sha256"}) == embedded
