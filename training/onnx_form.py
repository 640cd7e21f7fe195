"""The form of an exported graph: the same network gives the same bytes, with short names."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import onnx

from service.inference.errors import InvalidBundle

BATCH = "N"
# Parts of the package have no types: what is taken from it is typed where it is taken.
_onnx = cast("Any", onnx)


def check_graph(model: onnx.ModelProto, name: str) -> None:
    """Refuses what is no valid ONNX or has types or shapes that contradict each other.

    Raises:
        InvalidBundle: names the network and what is wrong.
    """
    try:
        _onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidBundle(f"{name} cannot be written as ONNX: {reason}") from error


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Orders and names everything by its place in the graph alone; the argument is used up.

    Converters' own names and order hold counters of the process.
    """
    graph = model.graph
    nodes = _in_reading_order(graph)
    names = _short_names(graph, nodes)
    constants = {constant.name: constant for constant in graph.initializer}
    used = [name for name in names if name in constants]
    for node in nodes:
        node.name = names[node.output[0]]
        _replace(node, "input", [names.get(name, name) for name in node.input])
        _replace(node, "output", [names[name] for name in node.output])
        _replace(node, "attribute", sorted(node.attribute, key=_name))
        if not node.domain:
            # Absent or empty mean the same and come as they like.
            node.ClearField("domain")
    for name in used:
        constants[name].name = names[name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "stance",
            list(graph.input),
            sorted(graph.output, key=lambda value: value.name),
            [constants[name] for name in used],
        ),
        producer_name="stance",
        ir_version=model.ir_version,
        opset_imports=[onnx.helper.make_opsetid("", opset_of(model))],
    )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a graph is written in."""
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _in_reading_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the outputs need, each after those that it reads."""
    maker = {output: node for node in graph.node for output in node.output}
    waiting = sorted((value.name for value in graph.output), reverse=True)
    ordered: dict[str, onnx.NodeProto] = {}
    while waiting:
        node = maker.get(waiting[-1])
        if node is None or node.output[0] in ordered:
            waiting.pop()
            continue
        missing = [name for name in node.input if name in maker and not _made(maker[name], ordered)]
        if missing:
            waiting.extend(reversed(missing))
        else:
            ordered[node.output[0]] = node
            waiting.pop()
    return list(ordered.values())


def _made(node: onnx.NodeProto, ordered: dict[str, onnx.NodeProto]) -> bool:
    return node.output[0] in ordered


def _short_names(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> dict[str, str]:
    """`Conv_3` for the fourth convolution's output, `Conv_3.1` for a constant it reads second."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    constants = {constant.name for constant in graph.initializer}
    count: Counter[str] = Counter()
    for node in nodes:
        own = f"{node.op_type}_{count[node.op_type]}"
        count[node.op_type] += 1
        for place, name in enumerate(node.input):
            if name in constants:
                names.setdefault(name, f"{own}.{place}")
        for place, name in enumerate(node.output):
            names.setdefault(name, own if place == 0 else f"{own}:{place}")
    return names


def _name(message: onnx.AttributeProto) -> str:
    return message.name


def _replace(node: onnx.NodeProto, field: str, values: Sequence[object]) -> None:
    node.ClearField(field)
    getattr(node, field).extend(values)
