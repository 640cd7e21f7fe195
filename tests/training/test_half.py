import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from training.half import to_half
from training.onnx_form import check_graph

NETWORK = """
< ir_version: 8, opset_import: ["" : 18] >
network (uint8[N,4,4,3] image) => (float[N,2,8,8] answer)
< float[4,3,1,1] w0, float[2,4,1,1] w1, float unit = {0.5}, float tiny = {0.000000001},
  float huge = {1000000000.0}, float[4] scales = {1.0, 1.0, 2.0, 2.0}, float place = {3000.3} >
{
  pixels = Cast <to = 1> (image)
  scaled = Mul (pixels, unit)
  planes = Transpose <perm = [0, 3, 1, 2]> (scaled)
  first = Conv (planes, w0)
  bounded = Clip (first, tiny, huge)
  larger = Resize <mode = "nearest"> (bounded, , scales)
  counted = Cast <to = 7> (larger)
  again = Cast <to = 1> (counted)
  logits = Conv (again, w1)
  zeros = Sub (logits, logits)
  places = Add (zeros, place)
  answer = Add (places, unit)
}
"""


@pytest.fixture
def model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(NETWORK)
    for node in model.graph.node:
        node.name = node.output[0]
    rng = np.random.default_rng(0)
    for name, shape in {"w0": (4, 3, 1, 1), "w1": (2, 4, 1, 1)}.items():
        values = rng.uniform(0.1, 1, shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return model


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    return types | {constant.name: constant.data_type for constant in graph.initializer}


def only(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


def test_layers_are_half_and_the_interface_stays(model: onnx.ModelProto) -> None:
    half = to_half(model)

    check_graph(half, "network")
    types = types_of(half)
    for layer in only(half, "Conv"):
        assert {types[name] for name in (*layer.input, *layer.output)} == {TensorProto.FLOAT16}
    interface = (*half.graph.input, *half.graph.output)
    kinds = [value.type.tensor_type.elem_type for value in interface]
    assert kinds == [TensorProto.UINT8, TensorProto.FLOAT]
    (normalise,) = only(half, "Mul")
    assert types[normalise.output[0]] == TensorProto.FLOAT


def test_places_beyond_2048_keep_their_fractions(model: onnx.ModelProto) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)

    (answer,) = ReferenceEvaluator(to_half(model)).run(None, {"image": pictures})

    np.testing.assert_allclose(answer, 3000.8, atol=1e-3)


def test_values_between_layers_are_nearly_the_same(model: onnx.ModelProto) -> None:
    (subtract,) = only(model, "Sub")
    subtract.input[1] = "place"
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)

    (expected,) = ReferenceEvaluator(model).run(None, {"image": pictures})
    (answer,) = ReferenceEvaluator(to_half(model)).run(None, {"image": pictures})

    assert np.ptp(expected) > 50
    assert not np.array_equal(answer, expected)
    np.testing.assert_allclose(answer, expected, atol=1)


def test_no_constant_becomes_zero_or_infinite(model: onnx.ModelProto) -> None:
    half = to_half(model)

    (bound,) = only(half, "Clip")
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in half.graph.initializer}
    lowest, highest = (constants[name] for name in bound.input[1:])
    assert lowest.dtype == highest.dtype == np.float16
    assert 0 < lowest < 1e-6
    assert highest == np.finfo(np.float16).max


def test_the_argument_stays_and_gives_the_same_bytes_again(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()

    first, second = (to_half(model).SerializeToString(deterministic=True) for _ in range(2))

    assert first == second
    assert model.SerializeToString() == before
