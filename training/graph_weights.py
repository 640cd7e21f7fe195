"""The way back from an exported graph to the weights of a Keras network.

Nobody has to know how an exporter lays kernels out and which normalisations it folds: a network
with random weights is exported, and where its numbers turn up, those of the graph are read.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import layers

from service.inference.errors import InvalidData
from service.inference.types import Floats
from training.config import TrainConfig
from training.onnx_any_size import network_to_onnx
from training.onnx_twins import Constants, constants_of, twins_of

_TOLERANCE = 1e-5
_FIRST_LOOK = 16


def load_graph(network: keras.Model, config: TrainConfig, graph: onnx.GraphProto) -> None:
    """Gives a network the weights of an exported one of the same configuration.

    Batch normalisations that the export folded only shift afterwards, the others scale and shift:
    all have a mean of 0. `training.networks.unfold` gives them statistics.

    Args:
        network: as `build_network` makes it, in float32.
        config: of both.
        graph: as `network_to_onnx` wrote it, perhaps by an older version.

    Raises:
        InvalidData: the graph has another architecture, or a layer cannot be found in an export.
    """
    members = list(_layers(network))
    _randomise(members)
    probe = network_to_onnx(network, config).graph
    plan = _Plan(members, _Search(constants_of(probe)))
    names = {name for _, source in plan.reads for name in source.names}
    constants = twins_of(names, probe, graph)
    for variable, source in plan.reads:
        variable.assign(source.values(constants))
    for variable, value in plan.fills:
        variable.assign(np.full(variable.shape, value, np.float32))


def _layers(network: keras.Model) -> Iterator[keras.Layer]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _randomise(members: list[keras.Layer]) -> None:
    """No two weights alike, nothing that an optimiser could leave out; means are 0."""
    rng = np.random.default_rng(0)
    for layer in members:
        for variable in layer.weights:
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        if isinstance(layer, layers.BatchNormalization):
            if not (layer.scale and layer.center):
                raise InvalidData(
                    f"bundle: the normalisation {layer.name} has no scale or no shift, so that a "
                    "folded one cannot be told from its graph"
                )
            layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
            layer.moving_variance.assign(
                np.full(layer.moving_variance.shape, 1 - layer.epsilon, np.float32)
            )


@dataclass(frozen=True, slots=True)
class _Source:
    """Constants of a graph that hold a weight, one or one for each of its rows.

    Attributes:
        names: of the constants.
        shape: of each, with as many axes as the weight.
        order: the axes of the weight in those of the constant.
        rows: whether each constant is a row.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    order: tuple[int, ...]
    rows: bool = False

    def values(self, constants: Constants) -> Floats:
        parts = [
            constants[name].reshape(self.shape).transpose(np.argsort(self.order))
            for name in self.names
        ]
        return np.stack(parts) if self.rows else parts[0]


class _Search:
    """Finds arrays among constants, transposed and reshaped as they may be."""

    def __init__(self, constants: Constants) -> None:
        self._by_size: dict[int, list[tuple[str, npt.NDArray[Any]]]] = defaultdict(list)
        for name, values in constants.items():
            if values.dtype == np.float32:
                self._by_size[values.size].append((name, values.ravel()))

    def find(self, values: Floats) -> _Source | None:
        candidates = [
            (name, flat)
            for name, flat in self._by_size[values.size]
            if np.isclose(flat.sum(dtype=np.float64), values.sum(dtype=np.float64), rtol=1e-5)
        ]
        for name, flat in candidates:
            for order in permutations(range(values.ndim)):
                moved = values.transpose(order)
                if _alike(flat[:_FIRST_LOOK], moved.flat[:_FIRST_LOOK]) and _alike(
                    flat, moved.ravel()
                ):
                    return _Source((name,), moved.shape, order)
        return None

    def find_rows(self, values: Floats) -> _Source | None:
        rows = [self.find(row) for row in values] if values.ndim > 1 else []
        found = [row for row in rows if row is not None]
        if not found or len(found) < len(rows) or len({row.order for row in found}) > 1:
            return None
        first = found[0]
        return _Source(tuple(row.names[0] for row in found), first.shape, first.order, rows=True)


def _alike(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> bool:
    return np.allclose(found, wanted, rtol=_TOLERANCE, atol=0)


class _Plan:
    """Where each weight of a network with random weights is read, or what it becomes.

    Args:
        members: the layers.
        search: in the export of the network.

    Raises:
        InvalidData: a weight is nowhere.
    """

    def __init__(self, members: list[keras.Layer], search: _Search) -> None:
        self.reads: list[tuple[keras.Variable, _Source]] = []
        self.fills: list[tuple[keras.Variable, float]] = []
        self._search = search
        self._done: set[int] = set()
        norms = [layer for layer in members if isinstance(layer, layers.BatchNormalization)]
        after = {id(norm.input): norm for norm in norms}
        for layer in members:
            if layer.weights and not isinstance(layer, layers.BatchNormalization):
                norm = after.get(id(layer.output))
                for variable in layer.weights:
                    self._place(variable, norm)
        for norm in norms:
            self._place(norm.gamma, None)
            self._place(norm.beta, None)

    def _place(self, variable: keras.Variable, norm: keras.Layer | None) -> None:
        if id(variable) in self._done:
            return
        values = np.asarray(variable)
        source = self._search.find(values) or self._search.find_rows(values)
        if source is not None:
            self._read(variable, source)
        elif norm is None or not self._place_scaled(variable, norm):
            raise InvalidData(f"bundle: {variable.path} cannot be found in an export")

    def _place_scaled(self, variable: keras.Variable, norm: keras.Layer) -> bool:
        """A kernel that holds the scale of the normalisation after it."""
        values, scale = np.asarray(variable), np.asarray(norm.gamma)
        for axis, length in enumerate(values.shape):
            if values.ndim == 1 or length != len(scale):
                continue
            shape = [1] * values.ndim
            shape[axis] = length
            source = self._search.find(values * scale.reshape(shape))
            if source is not None:
                self._read(variable, source)
                self._fill(norm.gamma, 1.0)
                return True
        return False

    def _read(self, variable: keras.Variable, source: _Source) -> None:
        self.reads.append((variable, source))
        self._done.add(id(variable))

    def _fill(self, variable: keras.Variable, value: float) -> None:
        self.fills.append((variable, value))
        self._done.add(id(variable))
