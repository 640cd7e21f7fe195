"""Half precision: the body of a network computes in float16, all around it stays as it was.

ONNX Runtime's own converter also rounds what goes from one of the excepted nodes to the next, hence
coordinates beyond 2048 to whole pixels. Here only the edges of the body are cast.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto

from service.inference.types import Floats
from training.onnx_form import tidy
from training.onnx_sections import sections

_LIMITS = np.finfo(np.float16)
# Parts of the package have no types: what is taken from it is typed where it is taken.
_onnx = cast("Any", onnx)


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with float16 layers; pixels, normalisation, decoding and answers stay.

    Args:
        model: as `training.onnx_graph.to_onnx` gives it; it is not changed.
    """
    inferred: onnx.ModelProto = _onnx.shape_inference.infer_shapes(model, strict_mode=True)
    graph = inferred.graph
    body = _Body(graph)
    nodes = [new for node in graph.node for new in (*body.casts_for(node), node)]
    constants = [*graph.initializer, *body.halved_constants()]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    return tidy(inferred)


class _Body:
    """What of a graph becomes float16, and the casts at its edges.

    Args:
        graph: with the types of its values; its nodes are changed.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._constants = {constant.name: constant for constant in graph.initializer}
        self._floats = _float_values(graph)
        self._nodes = _nodes(graph, self._floats)
        self._values = {
            name
            for node in graph.node
            if node.name in self._nodes
            for name in node.output
            if name in self._floats
        }
        self._done: set[str] = set()

    def casts_for(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Gives a node inputs of its type; returns the casts that are still missing for it."""
        casts: list[onnx.NodeProto] = []
        in_body = node.name in self._nodes
        for place, name in enumerate(node.input):
            half = in_body and not (node.op_type == "Resize" and place == 2)  # scales
            if name not in self._floats or half == (name in self._values):
                continue
            wanted = f"{name}:{'half' if half else 'float'}"
            node.input[place] = wanted
            if wanted not in self._done and name not in self._constants:
                casts.append(_cast(name, wanted, half=half))
            self._done.add(wanted)
        if in_body and node.op_type == "Cast":
            _change_target(node)
        return casts

    def halved_constants(self) -> Iterable[TensorProto]:
        """Those that nodes of the body read."""
        for name, constant in self._constants.items():
            if f"{name}:half" in self._done:
                values = _rounded(onnx.numpy_helper.to_array(constant))
                yield onnx.numpy_helper.from_array(values, f"{name}:half")


def _float_values(graph: onnx.GraphProto) -> set[str]:
    values = chain(graph.input, graph.value_info, graph.output)
    types = [(value.name, value.type.tensor_type.elem_type) for value in values]
    types += [(constant.name, constant.data_type) for constant in graph.initializer]
    return {name for name, kind in types if kind == TensorProto.FLOAT}


def _nodes(graph: onnx.GraphProto, floats: set[str]) -> set[str]:
    """Nodes that work on floats between normalisation and decoding, and give no answer."""
    parts = sections(graph)
    around = parts.normalise | parts.decode
    answers = {value.name for value in graph.output}
    return {
        node.name
        for node in graph.node
        if node.name not in around
        and floats.intersection(node.input)
        and answers.isdisjoint(node.output)
    }


def _cast(source: str, target: str, *, half: bool) -> onnx.NodeProto:
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    return onnx.helper.make_node("Cast", [source], [target], name=target, to=kind)


def _change_target(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16


def _rounded(values: Floats) -> np.ndarray[Any, np.dtype[np.float16]]:
    """To float16; nothing becomes infinite, and only zero becomes zero: it may be divided by."""
    tiny = float(_LIMITS.smallest_subnormal)
    apart = np.where(values == 0, 0, np.copysign(np.maximum(np.abs(values), tiny), values))
    return np.clip(apart, _LIMITS.min, _LIMITS.max).astype(np.float16)
