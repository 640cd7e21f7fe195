"""How large and how much work an ONNX network is: parameters and multiply-adds."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import onnx

from service.inference.errors import InvalidBundle
from service.inference.types import Size

Shape = tuple[int, ...]

_onnx = cast("Any", onnx)
# What may stand in a weight's way from its constant to the operation.
_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
_WEIGHT_TYPES = frozenset(
    (
        onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.DOUBLE, onnx.TensorProto.INT8, onnx.TensorProto.UINT8,
        onnx.TensorProto.INT32,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Complexity:
    """The cost of a network.

    Attributes:
        parameters: numbers in its constants, without indices, shapes and quantisation scales. In an
            exported file batch normalisations are folded into convolutions: that is a little less
            than Keras counts.
        macs: multiply-adds for one input; about half of what is called FLOPs.
    """

    parameters: int
    macs: int


def complexity(model: onnx.ModelProto, size: Size | None = None) -> Complexity:
    """Counts a network's parameters, and its multiply-adds for a batch of one.

    Args:
        model: the network.
        size: of the picture, for a network that takes several.

    Convolutions, transposed convolutions and matrix products count, as in the tables of the
    papers; biases, activations, resizing and decoding do not.

    Raises:
        InvalidBundle: the size of a convolution or product cannot be told from the graph.

    Source: Sandler et al. 2018, table 4: MobileNetV2 1.0 at 224x224 has 300 M multiply-adds.
    """
    shapes = _shapes(model, size)
    return Complexity(
        parameters=_parameters(model.graph),
        macs=sum(_macs(node, shapes) for node in model.graph.node),
    )


def _parameters(graph: onnx.GraphProto) -> int:
    scales = {name for node in graph.node if node.op_type in _QUANTISERS for name in node.input[1:]}
    return sum(
        math.prod(constant.dims)
        for constant in graph.initializer
        if constant.data_type in _WEIGHT_TYPES and constant.name not in scales
    )


def _shapes(model: onnx.ModelProto, size: Size | None) -> Mapping[str, Shape]:
    """The shapes of all tensors for a batch of one; tensors of unknown shape are left out."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    # What is noted there holds for the open batch axis.
    fixed.graph.ClearField("value_info")
    for value in fixed.graph.input:
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_value = 1
        if size is not None:
            dims[1].dim_value, dims[2].dim_value = size.height, size.width
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = _onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes: dict[str, Shape] = {
        constant.name: tuple(constant.dims) for constant in graph.initializer
    }
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return shapes


def _macs(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    count = _COUNTERS.get(node.op_type)
    if count is None:
        return 0
    names = (*node.input[:2], node.output[0])
    unknown = [name for name in names if name not in shapes]
    if unknown:
        raise InvalidBundle(
            f"graph: {node.op_type} {node.name or node.output[0]} has the tensor {unknown[0]} of "
            "unknown shape; expected a graph whose shapes follow from its input"
        )
    first, second, output = (shapes[name] for name in names)
    return count(node, first, second, output)


def _convolution(_: onnx.NodeProto, __: Shape, kernel: Shape, output: Shape) -> int:
    # Kernel: output channels, input channels of a group, height, width.
    return math.prod(output) * math.prod(kernel[1:])


def _transposed_convolution(_: onnx.NodeProto, image: Shape, kernel: Shape, __: Shape) -> int:
    # Kernel: input channels, output channels of a group, height, width.
    return math.prod(image) * math.prod(kernel[1:])


def _gemm(node: onnx.NodeProto, first: Shape, _: Shape, output: Shape) -> int:
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(output) * first[0 if transposed else 1]


def _product(_: onnx.NodeProto, first: Shape, __: Shape, output: Shape) -> int:
    return math.prod(output) * first[-1]


def _einsum(node: onnx.NodeProto, first: Shape, second: Shape, _: Shape) -> int:
    """One multiply-add per combination of all indices."""
    equation = next(attribute.s for attribute in node.attribute if attribute.name == "equation")
    terms: Sequence[str] = equation.decode().replace(" ", "").partition("->")[0].split(",")
    sizes = defaultdict[str, int](lambda: 1)
    for term, shape in zip(terms, (first, second), strict=False):
        sizes.update(zip(term, shape, strict=True))
    return math.prod(sizes.values())


_COUNTERS: Mapping[str, Callable[[onnx.NodeProto, Shape, Shape, Shape], int]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _product,
    "Einsum": _einsum,
}
