"""The bundles in models/ on a real photograph: an astronaut, looking into the camera.

The places of joints were read off the photograph by eye, in pixels.
"""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from service.inference.card import ModelCard
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_bundle, load_pipeline
from service.inference.types import Box, Image, Person

MODELS = Path(__file__).parents[2] / "models"
SEEN = {
    "nose": (221, 127),
    "left_eye": (244, 106),
    "right_eye": (203, 104),
    "left_shoulder": (320, 262),
    "right_shoulder": (115, 245),
}
MAX_ERROR_PX = {"nose": 10, "left_eye": 10, "right_eye": 10}
SHOULDER_ERROR_PX = 35


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return load_pipeline(MODELS, "default", Execution(device="cpu"))


@pytest.fixture(scope="module")
def fast() -> PoseEstimator:
    return load_pipeline(MODELS, "fast", Execution(device="cpu"))


@pytest.fixture(scope="module")
def astronaut() -> Image:
    return Image(skimage.data.astronaut())


def _joints(person: Person) -> dict[str, tuple[float, float]]:
    return {joint.name: (joint.x, joint.y) for joint in person.keypoints}


def _assert_joints_where_they_are(person: Person, scale: float = 1.0) -> None:
    found = _joints(person)
    for name, (x, y) in SEEN.items():
        error = math.dist(found[name], (x * scale, y * scale))
        assert error <= MAX_ERROR_PX.get(name, SHOULDER_ERROR_PX) * scale, (name, found[name])


def test_the_one_person_is_found_with_joints_where_they_are(
    estimator: PoseEstimator, astronaut: Image
) -> None:
    (person,) = estimator.predict(astronaut).persons
    _assert_joints_where_they_are(person)
    assert person.box.height > 350
    scores = {joint.name: joint.score for joint in person.keypoints}
    assert scores["nose"] > 0.5
    assert scores["left_ankle"] < scores["nose"]


def test_a_larger_picture_gives_the_same_joints(estimator: PoseEstimator, astronaut: Image) -> None:
    large = Image(np.kron(astronaut.pixels, np.ones((3, 3, 1), np.uint8)))
    (person,) = estimator.predict(large).persons
    _assert_joints_where_they_are(person, scale=3)


def test_the_mirrored_person_has_left_and_right_exchanged(
    estimator: PoseEstimator, astronaut: Image
) -> None:
    mirrored = Image(np.ascontiguousarray(astronaut.pixels[:, ::-1]))
    person = estimator.predict(mirrored).persons[0]
    found = _joints(person)
    assert math.dist(found["right_eye"], (512 - 244, 106)) < 15
    assert found["left_eye"][0] > found["right_eye"][0]
    assert found["left_shoulder"][0] > found["right_shoulder"][0]


def test_a_given_box_is_used_instead_of_the_detector(
    estimator: PoseEstimator, astronaut: Image
) -> None:
    (person,) = estimator.predict(astronaut, boxes=[Box(20, 0, 400, 512)]).persons
    assert person.box == Box(20, 0, 400, 512)
    _assert_joints_where_they_are(person)


@pytest.mark.parametrize("pipeline", ["estimator", "fast"])
@pytest.mark.parametrize("picture", ["coffee", "rocket", "chelsea"])
def test_nobody_is_found_where_nobody_is(
    request: pytest.FixtureRequest, pipeline: str, picture: str
) -> None:
    image = Image(np.ascontiguousarray(getattr(skimage.data, picture)()))
    assert request.getfixturevalue(pipeline).predict(image).persons == ()


def test_the_fast_pipeline_finds_the_same_person(fast: PoseEstimator, astronaut: Image) -> None:
    (person,) = fast.predict(astronaut).persons
    _assert_joints_where_they_are(person)


def test_every_bundle_of_every_pipeline_loads_and_its_page_names_its_figures() -> None:
    pipelines = tomllib.loads((MODELS / "pipelines.toml").read_text())
    references = {pair[task] for pair in pipelines.values() for task in ("detector", "keypoints")}
    for reference in references:
        card: ModelCard = load_bundle(MODELS, reference, Execution(device="cpu"))[0].card
        page = (MODELS / reference / "README.md").read_text()
        main = "boxes" if card.task == "detection" else "gt-boxes"
        assert f"{card.metrics[f'coco/val/{main}/AP']:.3f}" in page


@pytest.mark.parametrize(("pipeline", "largest"), [("default", 30e6), ("fast", 10e6)])
def test_the_files_of_a_pipeline_stay_small(pipeline: str, largest: float) -> None:
    pair = tomllib.loads((MODELS / "pipelines.toml").read_text())[pipeline]
    files = [MODELS / pair[role] / "model.onnx" for role in ("detector", "keypoints")]
    assert sum(file.stat().st_size for file in files) < largest
