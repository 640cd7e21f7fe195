"""Two exports of one architecture: what stands in one where something stands in the other."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx

from service.inference.errors import InvalidData
from training.onnx_sections import sections

Constants = Mapping[str, npt.NDArray[Any]]
# Parts of the package have no types: what is taken from it is typed where it is taken.
_onnx = cast("Any", onnx)


def constants_of(graph: onnx.GraphProto) -> Constants:
    """The values of all constants by name."""
    return {each.name: _onnx.numpy_helper.to_array(each) for each in graph.initializer}


def twins_of(names: Collection[str], ours: onnx.GraphProto, theirs: onnx.GraphProto) -> Constants:
    """The constants of one graph that stand where another graph of its architecture has `names`.

    Compared is the part between normalisation and the last nodes that read one of `names`: other
    versions of the code have normalised and decoded in other ways that give the same answers.

    Args:
        names: of constants of `ours`, which may have other values and the same shapes in `theirs`.
        ours: as `training.onnx_graph.to_onnx` gives it.
        theirs: likewise.

    Raises:
        InvalidData: the graphs are of different architectures.
    """
    mine, other = constants_of(ours), constants_of(theirs)
    ends = _ends(ours, names)
    pairs = _pairs(
        _body(ours, ends),
        _body(theirs, _counterparts(ends, mine, theirs, other)),
    )
    found: dict[str, npt.NDArray[Any]] = {}
    made: dict[str, str] = {}
    for node, twin in pairs:
        for name, its in zip(node.input, twin.input, strict=True):
            if name not in mine:
                fits = its not in other and made.setdefault(name, its) == its
            elif its not in other:
                fits = False
            elif name in names:
                found[name] = other[its]
                fits = mine[name].shape == other[its].shape
            else:
                fits = np.array_equal(mine[name], other[its])
            if not fits:
                raise _differ(node.name)
        made.update(zip(node.output, twin.output, strict=True))
    return found


def _ends(graph: onnx.GraphProto, names: Collection[str]) -> list[onnx.NodeProto]:
    """The nodes that read one of `names` and that no other such node follows."""
    ends: list[onnx.NodeProto] = []
    wanted: set[str] = set()
    for node in reversed(graph.node):
        leads = not wanted.isdisjoint(node.output)
        reads = any(name in names for name in node.input)
        if reads and not leads:
            ends.insert(0, node)
        if reads or leads:
            wanted.update(node.input)
    return ends


def _counterparts(
    ends: list[onnx.NodeProto],
    constants: Constants,
    graph: onnx.GraphProto,
    graph_constants: Constants,
) -> list[onnx.NodeProto]:
    """The last nodes of another graph that read constants of the same shapes, one for each."""
    waiting = list(ends)
    found: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if waiting and _kind(node, graph_constants) == _kind(waiting[-1], constants):
            waiting.pop()
            found.insert(0, node)
    if waiting:
        raise _differ(waiting[-1].name)
    return found


def _kind(node: onnx.NodeProto, constants: Constants) -> tuple[object, ...]:
    shapes = (constants[name].shape if name in constants else None for name in node.input)
    return (node.op_type, *shapes)


def _body(graph: onnx.GraphProto, ends: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes that lead to some, these included, after normalisation."""
    before = sections(graph).normalise
    body: list[onnx.NodeProto] = []
    wanted = {end.output[0] for end in ends}
    for node in reversed(graph.node):
        if wanted.isdisjoint(node.output) or node.name in before:
            continue
        body.append(node)
        wanted.update(node.input)
    return body[::-1]


def _pairs(
    ours: list[onnx.NodeProto], theirs: list[onnx.NodeProto]
) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    for node, twin in zip(ours, theirs, strict=False):
        if _operation(node) != _operation(twin):
            raise _differ(node.name)
    if len(ours) != len(theirs):
        raise InvalidData(
            f"bundle: its network has {len(theirs)} steps, its configuration gives {len(ours)}: "
            "it was made by another version of the code"
        )
    return list(zip(ours, theirs, strict=True))


def _operation(node: onnx.NodeProto) -> tuple[object, ...]:
    attributes = sorted(
        (attribute.name, attribute.SerializeToString(deterministic=True))
        for attribute in node.attribute
    )
    return (node.op_type, len(node.input), len(node.output), *attributes)


def _differ(node: str) -> InvalidData:
    return InvalidData(
        f"bundle: its network differs at {node} from what its configuration gives: it was made by "
        "another version of the code"
    )
