"""Bundles whose network gives the same answer to every picture."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from service.inference.card import METADATA_KEY, InputSize, ModelCard, Skeleton
from service.inference.types import Size
from training.skeletons import COCO

CROP, LETTERBOX = Size(128, 96), Size(96, 96)
PADDING = 1.25
SLOTS = 6


def make_card(task: str, size: Size, skeleton: Skeleton = COCO) -> ModelCard:
    pose = task == "keypoints"
    return ModelCard(
        name="oracle" if pose else "finder",
        version=3,
        task=task,
        input=InputSize(height=size.height, width=size.width),
        crop_padding=PADDING if pose else None,
        skeleton=skeleton if pose else None,
        recipe="none",
        config={},
        data=(),
        metrics={},
    )


def write_bundle(folder: Path, card: ModelCard, outputs: dict[str, np.ndarray]) -> Path:
    """An ONNX file that gives the same outputs `[1, ...]` for each of N pictures."""
    nodes = [
        helper.make_node("Shape", ["image"], ["count"], start=0, end=1),
    ]
    initializers, values = [], []
    for name, value in outputs.items():
        rest = np.array(value.shape[1:], np.int64)
        initializers.append(onnx.numpy_helper.from_array(value, f"{name}_one"))
        initializers.append(onnx.numpy_helper.from_array(rest, f"{name}_rest"))
        nodes.append(
            helper.make_node("Concat", ["count", f"{name}_rest"], [f"{name}_shape"], axis=0)
        )
        nodes.append(helper.make_node("Expand", [f"{name}_one", f"{name}_shape"], [name]))
        shape = ["N", *value.shape[1:]]
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    size = card.input
    image = helper.make_tensor_value_info(
        "image", TensorProto.UINT8, ["N", size.height, size.width, 3]
    )
    graph = helper.make_graph(nodes, "fixed", [image], values, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: card.model_dump_json()})
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    return folder


def write_keypoint_bundle(folder: Path) -> Path:
    """It says that every joint is in the middle of the crop."""
    joints = np.full((1, 17, 3), (48, 64, 0.5), np.float32)
    return write_bundle(folder, make_card("keypoints", CROP), {"keypoints": joints})


def write_detector_bundle(folder: Path) -> Path:
    """It says that there is one large box, (10, 20) to (80, 75) in the letterboxed picture."""
    boxes = np.zeros((1, SLOTS, 4), np.float32)
    boxes[0, 0] = (10, 20, 80, 75)
    scores = np.zeros((1, SLOTS), np.float32)
    scores[0, 0] = 0.7
    card = make_card("detection", LETTERBOX)
    return write_bundle(folder, card, {"boxes": boxes, "scores": scores})
