import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.inference.errors import InvalidBundle
from training.complexity import complexity


def make_model(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], *shape: int | str
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_a_convolution_counts_its_kernel_for_every_output() -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    cost = complexity(make_model([node], {"w": floats(8, 3, 3, 3), "b": floats(8)}, "N", 3, 16, 12))
    assert cost.macs == 8 * 8 * 6 * 3 * 3 * 3
    assert cost.parameters == 8 * 3 * 3 * 3 + 8


def test_a_depthwise_convolution_counts_one_channel_per_output() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=4, pads=[2, 2, 2, 2])
    cost = complexity(make_model([node], {"w": floats(4, 1, 5, 5)}, "N", 4, 10, 10))
    assert cost.macs == 4 * 10 * 10 * 25


def test_a_transposed_convolution_counts_its_kernel_for_every_input() -> None:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    cost = complexity(make_model([node], {"w": floats(6, 5, 4, 4)}, "N", 6, 8, 8))
    assert cost.macs == 8 * 8 * 6 * 5 * 4 * 4


@pytest.mark.parametrize(
    ("node", "weight"),
    [
        (helper.make_node("MatMul", ["x", "w"], ["y"]), (20, 7)),
        (helper.make_node("Gemm", ["x", "w"], ["y"], transB=1), (7, 20)),
        (helper.make_node("Gemm", ["w", "x"], ["y"], transA=1, transB=1), (20, 7)),
        (helper.make_node("Einsum", ["x", "w"], ["y"], equation="bi, io->bo"), (20, 7)),
    ],
)
def test_products_count_every_pair(node: onnx.NodeProto, weight: tuple[int, int]) -> None:
    assert complexity(make_model([node], {"w": floats(*weight)}, "N", 20)).macs == 20 * 7


def test_indices_and_scales_are_no_parameters() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Reshape", ["m", "shape"], ["y"]),
    ]
    weights = {
        "q": np.zeros((20, 7), np.int8),
        "scale": np.array(0.5, np.float32),
        "zero": np.array(0, np.int8),
        "shape": np.array([-1], np.int64),
    }
    cost = complexity(make_model(nodes, weights, "N", 20))
    assert cost.parameters == 140
    assert cost.macs == 140


def test_a_tensor_of_unknown_shape_is_named() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    with pytest.raises(InvalidBundle, match="MatMul y has the tensor f of unknown shape"):
        complexity(make_model(nodes, {"w": floats(3, 3)}, "N", 3))


# Sandler et al. 2018, table 2: expansion, channels, repetitions, stride of the first.
MOBILENET_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class Chain:
    """Convolutions one after the other, with a bias as folding leaves it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.channels, self.tensor = 3, "x"

    def convolve(self, channels: int, size: int = 1, stride: int = 1, group: int = 1) -> None:
        output = f"c{len(self.nodes)}"
        self.weights[f"{output}.w"] = floats(channels, self.channels // group, size, size)
        self.weights[f"{output}.b"] = floats(channels)
        self.nodes.append(
            helper.make_node(
                "Conv",
                [self.tensor, f"{output}.w", f"{output}.b"],
                [output],
                strides=[stride, stride],
                pads=[size // 2] * 4,
                group=group,
            )
        )
        self.channels, self.tensor = channels, output

    def bottleneck(self, expansion: int, channels: int, stride: int) -> None:
        inner = self.channels * expansion
        if expansion > 1:
            self.convolve(inner)
        self.convolve(inner, 3, stride, group=inner)
        self.convolve(channels)


def test_mobilenetv2_costs_what_its_paper_says() -> None:
    """Sandler et al. 2018, table 4: 300 M multiply-adds, 3.4 M parameters."""
    chain = Chain()
    chain.convolve(32, 3, 2)
    for expansion, channels, times, stride in MOBILENET_V2:
        for index in range(times):
            chain.bottleneck(expansion, channels, stride if index == 0 else 1)
    chain.convolve(1280)
    chain.weights |= {"top.w": floats(1280, 1000), "top.b": floats(1000)}
    top = [
        helper.make_node("GlobalAveragePool", [chain.tensor], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "top.w", "top.b"], ["y"]),
    ]
    cost = complexity(make_model([*chain.nodes, *top], chain.weights, "N", 3, 224, 224))
    assert cost.macs == pytest.approx(300e6, rel=0.01)
    assert cost.parameters == pytest.approx(3.4e6, rel=0.03)
