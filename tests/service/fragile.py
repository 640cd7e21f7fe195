"""A keypoint network that fails on some pictures, and the pictures."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

POISON = np.full((64, 48, 3), 255, np.uint8)
"""A crop without a dark pixel: any run with it fails."""


def fragile_model(bundles, card) -> ModelProto:
    """The usual network, plus 0 taken from a table by the largest of the crops' least values."""
    model = bundles.keypoints_model(card)
    graph = model.graph
    graph.node[-1].output[0] = "joints"
    graph.node.extend(
        [
            helper.make_node("Cast", ["image"], ["whole"], to=TensorProto.INT64),
            helper.make_node("ReduceMin", ["whole", "of_a_crop"], ["least"], keepdims=0),
            helper.make_node("ReduceMax", ["least", "of_the_crops"], ["place"], keepdims=0),
            helper.make_node("Gather", ["table", "place"], ["nothing"]),
            helper.make_node("Add", ["joints", "nothing"], ["keypoints"]),
        ]
    )
    constants = {
        "of_a_crop": np.array([1, 2, 3], np.int64),
        "of_the_crops": np.array([0], np.int64),
        "table": np.zeros(1, np.float32),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    return model
