"""The models of the protocol: every loaded pipeline, and every loaded network by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.inference.card import ModelCard
from service.inference.estimator import PoseEstimator
from service.inference.session import Session
from service.inference.signature import Tensor, expected_input, expected_outputs
from service.oip.errors import UnknownModel
from service.oip.wire import IMAGE, DataType, ModelMetadata, TensorMetadata

PREDICTIONS = "predictions"
"""The output of a pipeline that holds JSON."""
_DATA_TYPES: Mapping[str, DataType] = {"tensor(uint8)": "UINT8", "tensor(float)": "FP32"}
_OPEN = -1
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class NetworkModel:
    """A network by itself: pixels in, what its card says out.

    Attributes:
        estimator: a pipeline that uses it.
        card: of the network.
        versions: of the same name that are loaded.
    """

    estimator: PoseEstimator
    card: ModelCard
    versions: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def version(self) -> str | None:
        return str(self.card.version)

    def metadata(self) -> ModelMetadata:
        return ModelMetadata(
            name=self.name,
            versions=list(self.versions),
            platform="onnx_onnxv1",
            inputs=[_metadata(expected_input(self.card))],
            outputs=[_metadata(tensor) for tensor in expected_outputs(self.card)],
        )

    def of(self, estimator: PoseEstimator) -> Session:
        """The network in a pipeline like the model's, for one request."""
        return estimator.detector if self.card.task == "detection" else estimator.keypoints


@dataclass(frozen=True, slots=True)
class PipelineModel:
    """A pipeline: encoded pictures in, people out. It has no versions, its networks do."""

    estimator: PoseEstimator

    @property
    def name(self) -> str:
        return self.estimator.name

    @property
    def version(self) -> str | None:
        return None

    def metadata(self) -> ModelMetadata:
        joints = len(self.estimator.skeleton.names)
        people = [_OPEN, _OPEN]
        return ModelMetadata(
            name=self.name,
            platform="stance_pipeline",
            inputs=[TensorMetadata(name=IMAGE, datatype="BYTES", shape=[_OPEN])],
            outputs=[
                TensorMetadata(name="counts", datatype="INT32", shape=[_OPEN]),
                TensorMetadata(name="scores", datatype="FP32", shape=people),
                TensorMetadata(name="boxes", datatype="FP32", shape=[*people, 4]),
                TensorMetadata(name="keypoints", datatype="FP32", shape=[*people, joints, 3]),
                TensorMetadata(name="sizes", datatype="INT32", shape=[_OPEN, 2]),
                TensorMetadata(name=PREDICTIONS, datatype="BYTES", shape=[_OPEN]),
            ],
        )


Model = NetworkModel | PipelineModel


def find_model(
    estimators: Mapping[str, PoseEstimator], name: str, version: str | None = None
) -> Model:
    """A loaded model.

    Args:
        estimators: the loaded pipelines by name.
        name: of a pipeline, or of a network.
        version: of a network; by default the newest that is loaded. Where a pipeline has a
            network's name, the network is found by its version only.

    Raises:
        UnknownModel: there is none.
    """
    if version is None and name in estimators:
        return PipelineModel(estimators[name])
    found = {
        session.card.version: (estimator, session.card)
        for estimator in estimators.values()
        for session in (estimator.detector, estimator.keypoints)
        if session.card.name == name
    }
    versions = tuple(str(number) for number in sorted(found))
    if not found or version not in (None, *versions):
        raise _unknown(estimators, name, version)
    estimator, card = found[max(found) if version is None else int(version)]
    return NetworkModel(estimator, card, versions)


def _unknown(
    estimators: Mapping[str, PoseEstimator], name: str, version: str | None
) -> UnknownModel:
    networks = {
        session.card.reference
        for estimator in estimators.values()
        for session in (estimator.detector, estimator.keypoints)
    }
    asked = repr(name[:_SHOWN])
    if version is not None:
        asked += f" of version {version[:_SHOWN]!r}"
    known = ", ".join([*sorted(estimators), *sorted(networks)])
    return UnknownModel(f"model is {asked}; expected a loaded one: {known}")


def _metadata(tensor: Tensor) -> TensorMetadata:
    shape = [axis if isinstance(axis, int) else _OPEN for axis in tensor.shape]
    return TensorMetadata(name=tensor.name, datatype=_DATA_TYPES[tensor.type], shape=shape)
