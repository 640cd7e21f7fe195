"""Which nodes of an exported network learn, come before that, or come after."""

from dataclasses import dataclass

import onnx

_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True)
class Sections:
    """Names of nodes, in the order of the graph where there is one.

    Attributes:
        layers: convolutions and products of matrices.
        normalise: what no layer precedes: from pixels to the first layer's input.
        logits: layers that no other one follows.
        decode: what no layer follows: from logits to the answer. Half precision has no fractions
            of a pixel beyond 2048, and many maxima of equal height.
    """

    layers: tuple[str, ...]
    normalise: frozenset[str]
    logits: frozenset[str]
    decode: frozenset[str]


def sections(graph: onnx.GraphProto) -> Sections:
    """Splits a graph whose nodes have names and stand after those that they read."""
    layers = tuple(node.name for node in graph.node if node.op_type in _LAYERS)
    follow = _below_layers(graph)
    lead = _above_layers(graph)
    others = {node.name for node in graph.node}.difference(layers)
    return Sections(
        layers=layers,
        normalise=frozenset(others - follow),
        logits=frozenset(layers).difference(lead),
        decode=frozenset(others - lead),
    )


def _below_layers(graph: onnx.GraphProto) -> set[str]:
    """Nodes that read, over any number of steps, what a layer made."""
    found: set[str] = set()
    values: set[str] = set()
    for node in graph.node:
        if values.intersection(node.input):
            found.add(node.name)
        if node.op_type in _LAYERS or node.name in found:
            values.update(filter(None, node.output))
    return found


def _above_layers(graph: onnx.GraphProto) -> set[str]:
    """Nodes whose answer a layer reads, over any number of steps."""
    found: set[str] = set()
    values: set[str] = set()
    for node in reversed(graph.node):
        if values.intersection(node.output):
            found.add(node.name)
        if node.op_type in _LAYERS or node.name in found:
            values.update(filter(None, node.input))
    return found
