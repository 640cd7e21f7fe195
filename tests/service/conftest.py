"""Small bundles, made with `onnx.helper`: networks whose answer a test can predict.

The detector answers fixed boxes on any picture but a black one, where it sees nobody. The keypoint
network puts every joint on the brightest pixel of the crop, or on given points. So a white patch in
a black picture is one person whose joints lie in it; a single pixel is lost where the picture is
shrunk.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.inference.card import METADATA_KEY, DataSource, InputSize, ModelCard, Skeleton

SIDES = ("left", "right")
PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
EDGES = (
    *((0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
)
HALF_SIGMAS = (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089)

COCO_SKELETON = Skeleton(
    names=("nose", *(f"{side}_{part}" for part in PARTS for side in SIDES)),
    edges=EDGES,
    flip_pairs=tuple((left, left + 1) for left in range(1, 17, 2)),
    sigmas=(0.026, *(sigma for sigma in HALF_SIGMAS for _ in SIDES)),
)
DETECTOR_BOXES = ((16.0, 8.0, 40.0, 56.0, 0.9), (44.0, 20.0, 56.0, 50.0, 0.6))
"""x0 y0 x1 y1 score in pixels of the detector's 64x64 input, best first."""
OBLONG = (InputSize(height=32, width=96), InputSize(height=96, width=32))
PIPELINES = """
[default]
detector = "test-detector/1"
keypoints = "test-keypoints/1"
min_person_score = 0.2
"""


class Bundles:
    """Cards, graphs and folders of bundles, with any part of them replaced."""

    skeleton = COCO_SKELETON
    detector_boxes = DETECTOR_BOXES
    pipelines = PIPELINES

    def keypoints_card(self, **changes: object) -> ModelCard:
        """A valid card of a 64x48 keypoint network."""
        return _card("test-keypoints", "keypoints", InputSize(height=64, width=48)).model_copy(
            update={"crop_padding": 1.25, "skeleton": COCO_SKELETON, **changes}
        )

    def detector_card(self, **changes: object) -> ModelCard:
        """A valid card of a 64x64 detector."""
        card = _card("test-detector", "detection", InputSize(height=64, width=64))
        return card.model_copy(update=changes)

    def oblong_card(self) -> ModelCard:
        """Of a detector that takes 64x64, and 32x96 and 96x32."""
        return self.detector_card(other_inputs=OBLONG)

    def keypoints_model(
        self, card: ModelCard, joints: Sequence[Sequence[float]] | None = None
    ) -> onnx.ModelProto:
        """Every joint on the brightest pixel, or K fixed rows x, y, score in crop pixels."""
        count = len(card.skeleton.names) if card.skeleton else 1
        constants = {
            "axis": np.array([3], np.int64),
            "flat": np.array([0, -1], np.int64),
            "one": np.array([1], np.int64),
            "half": np.array(0.5, np.float32),
            "columns": np.array(card.input.width, np.int64),
            "white": np.array(255.0, np.float32),
            "repeat": np.array([1, count, 1], np.int64),
            "fixed": np.zeros((1, count, 3), np.float32),
        }
        nodes = _brightest_pixel("repeat")
        if joints is not None:
            constants["fixed"] = np.array([joints], np.float32)
            zeros = helper.make_node("Sub", ["spread", "spread"], ["zeros"])
            nodes = [*nodes, zeros, helper.make_node("Add", ["zeros", "fixed"], ["keypoints"])]
        else:
            nodes = [*nodes, helper.make_node("Add", ["spread", "fixed"], ["keypoints"])]
        return self.model(card.input, nodes, constants, {"keypoints": ["N", count, 3]})

    def detector_model(
        self, card: ModelCard, boxes: Sequence[Sequence[float]] = DETECTOR_BOXES
    ) -> onnx.ModelProto:
        """Fixed rows x0, y0, x1, y1, score in input pixels; nobody on a black picture."""
        rows = np.array(boxes, np.float32).reshape(-1, 5)
        constants = {
            "pixels": np.array([1, 2, 3], np.int64),
            "white": np.array(255.0, np.float32),
            "shape": np.array([-1, 1], np.int64),
            "third": np.array([2], np.int64),
            "fixed_boxes": rows[None, :, :4],
            "fixed_scores": rows[None, :, 4],
        }
        nodes = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["float", "pixels"], ["max"], keepdims=0),
            helper.make_node("Div", ["max", "white"], ["bright"]),
            helper.make_node("Reshape", ["bright", "shape"], ["column"]),
            helper.make_node("Mul", ["column", "fixed_scores"], ["scores"]),
            helper.make_node("Sub", ["column", "column"], ["zero"]),
            helper.make_node("Unsqueeze", ["zero", "third"], ["zeros"]),
            helper.make_node("Add", ["zeros", "fixed_boxes"], ["boxes"]),
        ]
        outputs = {"boxes": ["N", len(rows), 4], "scores": ["N", len(rows)]}
        shape = ["N", "H", "W", 3] if card.other_inputs else None
        return self.model(card.input, nodes, constants, outputs, input_shape=shape)

    def model(
        self,
        size: InputSize,
        nodes: Sequence[onnx.NodeProto],
        constants: Mapping[str, np.ndarray],
        outputs: Mapping[str, Sequence[int | str]],
        *,
        input_name: str = "image",
        input_type: int = TensorProto.UINT8,
        input_shape: Sequence[int | str] | None = None,
        output_type: int = TensorProto.FLOAT,
    ) -> onnx.ModelProto:
        """A model of one input and the given nodes."""
        shape = input_shape or ["N", size.height, size.width, 3]
        graph = helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info(input_name, input_type, shape)],
            [
                helper.make_tensor_value_info(name, output_type, output_shape)
                for name, output_shape in outputs.items()
            ],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        opsets = [helper.make_opsetid("", 18)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def write(self, models_dir: Path, card: ModelCard, model: onnx.ModelProto) -> Path:
        """Writes `model.onnx` with the card inside, and `card.json`; returns the model's path."""
        return self.write_raw(models_dir, card, card.model_dump_json(), model)

    def write_raw(
        self, models_dir: Path, card: ModelCard, embedded: str | None, model: onnx.ModelProto
    ) -> Path:
        """As `write`, with any text in the place of the embedded card; None leaves it out."""
        if embedded is not None:
            helper.set_model_props(model, {METADATA_KEY: embedded})
        folder = models_dir / card.name / str(card.version)
        folder.mkdir(parents=True)
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        beside = card.model_copy(update={"sha256": digest})
        (folder / "card.json").write_text(beside.model_dump_json(indent=2))
        return path

    def write_models(self, models_dir: Path) -> Path:
        """A complete folder of models: both bundles and `pipelines.toml`."""
        detector, keypoints = self.detector_card(), self.keypoints_card()
        self.write(models_dir, detector, self.detector_model(detector))
        self.write(models_dir, keypoints, self.keypoints_model(keypoints))
        (models_dir / "pipelines.toml").write_text(PIPELINES)
        return models_dir


class Given:
    """Models that hand out one pipeline under any name, or what a function opens.

    Args:
        pipeline: a pipeline, or a function of a name.
        check: tries a pipeline out.
    """

    def __init__(self, pipeline, check=lambda _: None) -> None:
        self._pipeline = pipeline
        self.check = check
        self.closed = False

    def open(self, name):
        return self._pipeline(name) if callable(self._pipeline) else self._pipeline

    def fingerprint(self, _name):
        return 0

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """Command lines configure it for their process, which here is that of all tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.fixture
def bundles() -> Bundles:
    """Makes cards, networks and folders."""
    return Bundles()


@pytest.fixture
def models_dir(tmp_path: Path, bundles: Bundles) -> Path:
    """A complete folder of models."""
    return bundles.write_models(tmp_path / "models")


def _card(name: str, task: str, size: InputSize) -> ModelCard:
    # `model_construct`: what belongs to the task alone is added by the caller.
    return ModelCard.model_construct(
        name=name,
        version=1,
        task=task,
        input=size,
        recipe="debug",
        config={"seed": 1},
        data=(DataSource(name="made up", licence="CC0-1.0", samples=1),),
        metrics={"ap": 0.5},
    )


def _brightest_pixel(repeat: str) -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("ReduceMin", ["float", "axis"], ["grey"], keepdims=0),
        node("Reshape", ["grey", "flat"], ["row"]),
        node("ArgMax", ["row"], ["index"], axis=1, keepdims=1),
        node("ReduceMax", ["row", "one"], ["value"], keepdims=1),
        node("Div", ["value", "white"], ["score"]),
        node("Div", ["index", "columns"], ["line"]),
        node("Mod", ["index", "columns"], ["column"]),
        node("Cast", ["line"], ["line_float"], to=TensorProto.FLOAT),
        node("Cast", ["column"], ["column_float"], to=TensorProto.FLOAT),
        node("Add", ["line_float", "half"], ["y"]),
        node("Add", ["column_float", "half"], ["x"]),
        node("Concat", ["x", "y", "score"], ["point"], axis=1),
        node("Unsqueeze", ["point", "one"], ["points"]),
        node("Tile", ["points", repeat], ["spread"]),
    ]
