"""Which models the protocol knows, and what it says of them."""

from dataclasses import dataclass, replace

import pytest

from service.inference.estimator import PoseEstimator
from service.oip.errors import UnknownModel
from service.oip.models import NetworkModel, PipelineModel, find_model


@dataclass(frozen=True)
class Card:
    """A session that has nothing but its card."""

    card: object
    provider: str = "none"

    def run(self, image):
        raise NotImplementedError


@pytest.fixture
def estimator(bundles) -> PoseEstimator:
    detector, keypoints = Card(bundles.detector_card()), Card(bundles.keypoints_card())
    return PoseEstimator("default", detector, keypoints, 0.2)


def test_pipeline_is_found_by_its_name(estimator):
    model = find_model({"default": estimator}, "default")

    assert isinstance(model, PipelineModel)
    assert (model.name, model.version, model.metadata().versions) == ("default", None, None)


def test_newest_version_of_a_network_is_taken_unless_one_is_named(estimator, bundles):
    newer = replace(estimator, keypoints=Card(bundles.keypoints_card(version=10)))
    estimators = {"default": estimator, "newer": newer}

    newest = find_model(estimators, "test-keypoints")
    older = find_model(estimators, "test-keypoints", "1")

    assert newest.version == "10"
    assert newest.estimator is newer
    assert older.version == "1"
    assert newest.metadata().versions == older.metadata().versions == ["1", "10"]


def test_pipeline_with_the_name_of_a_network_leaves_it_its_versions(estimator):
    estimators = {"test-detector": estimator}

    assert isinstance(find_model(estimators, "test-detector"), PipelineModel)
    assert isinstance(find_model(estimators, "test-detector", "1"), NetworkModel)


@pytest.mark.parametrize(
    ("name", "version"),
    [("nobody", None), ("default", "1"), ("test-detector", "2"), ("test-detector", "01")],
)
def test_unknown_model_is_told_what_is_loaded(estimator, name, version):
    with pytest.raises(UnknownModel, match="default, test-detector/1, test-keypoints/1"):
        find_model({"default": estimator}, name, version)


def test_sides_of_a_network_of_several_sizes_are_open(estimator, bundles):
    several = replace(estimator, detector=Card(bundles.oblong_card()))
    metadata = find_model({"default": several}, "test-detector").metadata()

    assert [tensor.shape for tensor in metadata.inputs] == [[-1, -1, -1, 3]]


def test_tensors_are_those_of_the_network(estimator):
    metadata = find_model({"default": estimator}, "test-detector").metadata()

    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in metadata.inputs] == [
        ("image", "UINT8", [-1, 64, 64, 3])
    ]
    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in metadata.outputs] == [
        ("boxes", "FP32", [-1, -1, 4]),
        ("scores", "FP32", [-1, -1]),
    ]
