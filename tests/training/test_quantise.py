import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from service.inference.errors import InvalidInput
from training.onnx_form import check_graph
from training.quantise import default_float_layers, quantise

NETWORK = """
< ir_version: 8, opset_import: ["" : 18] >
network (uint8[N,8,8,3] image) => (float[N,2,4,4] answer)
< float[8,3,3,3] w0, float[8,8,1,1] w1, float[2,8,1,1] w2, float scale = {0.003921569} >
{
  pixels = Cast <to = 1> (image)
  scaled = Mul (pixels, scale)
  planes = Transpose <perm = [0, 3, 1, 2]> (scaled)
  first = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (planes, w0)
  active = Relu (first)
  second = Conv (active, w1)
  sum = Add (active, second)
  logits = Conv (sum, w2)
  answer = Sigmoid (logits)
}
"""
SHAPES = {"w0": (8, 3, 3, 3), "w1": (8, 8, 1, 1), "w2": (2, 8, 1, 1)}


@pytest.fixture
def model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(NETWORK)
    for node in model.graph.node:
        node.name = node.output[0]
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        values = rng.normal(0, 0.3, shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return model


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), np.uint8)


def answer_of(model: onnx.ModelProto, pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": pictures})[0]


def readers_of_float_weights(model: onnx.ModelProto) -> int:
    """Convolutions whose weights are no eight-bit numbers."""
    types = {one.name: one.data_type for one in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    return sum(types.get(layer.input[1]) == TensorProto.FLOAT for layer in layers)


def test_body_is_quantised_and_answers_nearly_as_before(
    model: onnx.ModelProto, pictures: np.ndarray
) -> None:
    quantised = quantise(model, pictures, float_layers=0)

    check_graph(quantised, "network")
    assert [entry.domain for entry in quantised.opset_import] == [""]
    weights = {
        one.name: one for one in quantised.graph.initializer if one.data_type == TensorProto.INT8
    }
    assert {(8, 3, 3, 3), (8, 8, 1, 1)} <= {tuple(one.dims) for one in weights.values()}
    expected, answer = answer_of(model, pictures), answer_of(quantised, pictures)
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(answer, expected, atol=0.02)
    assert not np.array_equal(answer, expected)


def test_weights_have_a_scale_per_channel(model: onnx.ModelProto, pictures: np.ndarray) -> None:
    quantised = quantise(model, pictures, float_layers=0)

    layers = [node for node in quantised.graph.node if node.op_type == "Conv"]
    maker = {node.output[0]: node for node in quantised.graph.node}
    scales = {one.name: one for one in quantised.graph.initializer}
    assert list(scales[maker[layers[0].input[1]].input[1]].dims) == [8]


def test_logits_and_decoding_stay_in_float(model: onnx.ModelProto, pictures: np.ndarray) -> None:
    quantised = quantise(model, pictures, float_layers=0)

    assert readers_of_float_weights(quantised) == 1
    (sigmoid,) = [node for node in quantised.graph.node if node.op_type == "Sigmoid"]
    maker = {node.output[0]: node for node in quantised.graph.node}
    assert maker[sigmoid.input[0]].op_type == "Conv"


def test_layers_at_either_end_can_stay_in_float(
    model: onnx.ModelProto, pictures: np.ndarray
) -> None:
    quantised = quantise(model, pictures, float_layers=1)

    assert readers_of_float_weights(quantised) == 2
    # It follows the first layer, which computes in float: with eight bits it would be no more.
    assert "Relu" in {node.op_type for node in quantised.graph.node}
    assert "Relu" not in {
        node.op_type for node in quantise(model, pictures, float_layers=0).graph.node
    }


def test_network_of_which_nothing_would_be_quantised_is_refused(
    model: onnx.ModelProto, pictures: np.ndarray
) -> None:
    with pytest.raises(InvalidInput, match="float_layers: 2 at either end leave none of 3"):
        quantise(model, pictures, float_layers=2)


def test_same_pictures_give_the_same_bytes(model: onnx.ModelProto, pictures: np.ndarray) -> None:
    before = model.SerializeToString()

    first, second = (
        quantise(model, iter(pictures), float_layers=0).SerializeToString(deterministic=True)
        for _ in range(2)
    )

    assert first == second
    assert model.SerializeToString() == before


def test_of_a_deep_network_an_eighth_at_either_end_stays_in_float() -> None:
    layer = onnx.helper.make_node("MatMul", ["value", "value"], ["value"])
    nodes = [onnx.helper.make_node("Neg", ["value"], ["value"]), *[layer] * 68]
    graph = onnx.helper.make_graph(nodes, "deep", [], [])

    assert default_float_layers(onnx.helper.make_model(graph)) == 8
