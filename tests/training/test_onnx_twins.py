import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.inference.errors import InvalidData
from training.onnx_twins import twins_of

KERNEL, BIAS = "Conv_0.1", "Add_1.1"


def graph(
    *,
    kernel: float = 1.0,
    offset: object = -1.0,
    step: float = 2.0,
    activation: str = "Relu",
    filters: int = 4,
    decoder: tuple[str, ...] = ("Sigmoid",),
) -> onnx.GraphProto:
    """Normalisation, a convolution, a product with a number, a bias; then a decoder."""
    weights = np.full((filters, 3, 1, 1), kernel, np.float32)
    constants = {
        "Add_0.1": np.array(offset, np.float32),
        KERNEL: weights,
        "Mul_0.1": np.array(step, np.float32),
        BIAS: weights[:, 0] / 2,
    }
    chain = ["Add", "Conv", activation, "Mul", "Add", *decoder]
    nodes, value, counts = [], "image", {}
    for kind in chain:
        name = f"{kind}_{counts.setdefault(kind, 0)}"
        counts[kind] += 1
        inputs = [value, *([f"{name}.1"] if f"{name}.1" in constants else [])]
        nodes.append(helper.make_node(kind, inputs, [name], name=name))
        value = name
    info = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size, 8, 8])
        for name, size in (("image", 3), (value, filters))
    ]
    tensors = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    return helper.make_graph(nodes, "twin", info[:1], info[1:], tensors)


def test_constants_are_read_at_the_places_of_the_others() -> None:
    twins = twins_of((KERNEL, BIAS), graph(), graph(kernel=3.0))
    assert set(twins) == {KERNEL, BIAS}
    assert (twins[KERNEL] == 3.0).all()
    assert (twins[BIAS] == 1.5).all()


def test_how_a_graph_normalises_and_decodes_does_not_matter() -> None:
    old = graph(kernel=3.0, offset=[[[-1.0]]] * 3, decoder=("Exp", "Relu", "Sqrt"))
    twins = twins_of((KERNEL, BIAS), graph(), old)
    assert (twins[KERNEL] == 3.0).all()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"step": 2.5}, "Mul_0"),
        ({"activation": "Sigmoid"}, "Relu_0"),
        ({"filters": 5}, "Add_1"),
    ],
)
def test_another_network_is_refused_where_it_differs(change: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidData, match=f"at {place} .*another version of the code"):
        twins_of((KERNEL, BIAS), graph(), graph(**change))
