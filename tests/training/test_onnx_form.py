import onnx
import pytest

from service.inference.errors import InvalidBundle
from training.onnx_form import check_graph, opset_of, tidy

NETWORK = """
< ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1] >
network (float[N,4] image) => (float[N,4] answer)
< float two = {2.0}, float unused = {3.0} >
{
  [b9] twice = Mul (image, two)
  [a7] answer = Relu (twice)
}
"""


def test_names_order_and_rest_depend_on_the_graph_alone() -> None:
    other = NETWORK.replace("twice", "q").replace("b9", "x").replace("two", "r")

    first, second = (tidy(onnx.parser.parse_model(text)) for text in (NETWORK, other))

    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )
    assert [node.name for node in first.graph.node] == ["Mul_0", "answer"]
    assert [constant.name for constant in first.graph.initializer] == ["Mul_0.1"]


def test_opset_of_the_graph_is_kept() -> None:
    model = tidy(onnx.parser.parse_model(NETWORK))

    assert opset_of(model) == 17
    assert [entry.domain for entry in model.opset_import] == [""]


def test_tidy_changes_nothing_that_is_tidy() -> None:
    once = tidy(onnx.parser.parse_model(NETWORK))
    before = once.SerializeToString(deterministic=True)

    assert tidy(once).SerializeToString(deterministic=True) == before


def test_contradicting_shapes_are_refused_by_name() -> None:
    model = onnx.parser.parse_model(NETWORK.replace("float[N,4] answer", "float[N,5] answer"))

    with pytest.raises(InvalidBundle, match="mine cannot be written as ONNX"):
        check_graph(model, "mine")
