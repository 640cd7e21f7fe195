"""Runs on a GPU: buffers that stay where they are, for a few batch sizes and shapes of pictures.

A new shape makes cuDNN choose its algorithms again (hundreds of milliseconds) and the memory grow,
so a batch is padded to the next size that was run before. Pictures go up as uint8, a quarter of
what floats would be.
"""

import bisect
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

from service.inference.types import Pixels

_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"
# The package has no types: what is taken from it is typed where it is taken.
_ort = cast("Any", onnxruntime)


@dataclass(frozen=True, slots=True)
class Memory:
    """Where buffers lie: `cpu`, or `cuda` and the number of the GPU."""

    kind: str
    gpu_id: int = 0

    def tensor(self, shape: Sequence[int], dtype: type[np.generic]) -> Any:
        """An `OrtValue` with room for an array."""
        return _ort.OrtValue.ortvalue_from_shape_and_type(
            list(shape), dtype, self.kind, self.gpu_id
        )


class Binding:
    """Runs a network in batches of fixed sizes; one run at a time, from whichever thread.

    Args:
        session: of ONNX Runtime; its only input is the pictures.
        memory: of the device that it runs on.
        pictures: the shapes that a picture may have, `(H, W, 3)`.
        batch_sizes: ascending; larger batches are run in parts.
    """

    def __init__(
        self,
        session: Any,
        memory: Memory,
        pictures: Sequence[tuple[int, int, int]],
        batch_sizes: Sequence[int],
    ) -> None:
        self._lock = threading.Lock()
        self._sizes = batch_sizes
        outputs = {picture: _shapes(session, picture) for picture in pictures}
        # The largest first: the smaller ones then find their memory in what it needed.
        self._buckets = {
            (size, *picture): _Bucket(session, memory, (size, *picture), outputs[picture], number)
            # 0 is the graph of runs that name none.
            for number, (size, picture) in enumerate(product(reversed(batch_sizes), pictures), 1)
        }

    def run(self, image: Pixels) -> dict[str, npt.NDArray[np.float32]]:
        """Outputs by name for pictures, uint8 `[N, H, W, 3]`; N at least 1."""
        largest = self._sizes[-1]
        with self._lock:
            parts = [
                self._bucket(image[start : start + largest]).run(image[start : start + largest])
                for start in range(0, len(image), largest)
            ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _bucket(self, image: Pixels) -> "_Bucket":
        size = self._sizes[bisect.bisect_left(self._sizes, len(image))]
        return self._buckets[size, *image.shape[1:]]


class _Bucket:
    """The buffers of one batch size and shape of pictures.

    Args:
        session: of ONNX Runtime.
        memory: for the buffers.
        shape: of the input, `(size, H, W, 3)`.
        outputs: shape of one row by name.
        graph: number of the graph that is recorded for this shape.
    """

    def __init__(
        self,
        session: Any,
        memory: Memory,
        shape: tuple[int, int, int, int],
        outputs: Mapping[str, Sequence[int]],
        graph: int,
    ) -> None:
        self._session = session
        self._padded: Pixels = np.zeros(shape, np.uint8)
        self._input = memory.tensor(shape, np.uint8)
        self._outputs = {
            name: memory.tensor((shape[0], *row), np.float32) for name, row in outputs.items()
        }
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("image", self._input)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)
        self._options = _graph_options(str(graph))

    def run(self, image: Pixels) -> dict[str, npt.NDArray[np.float32]]:
        rows = len(image)
        if rows < len(self._padded):
            self._padded[:rows] = image
            # Not the rows of an earlier request: what fails for one must not fail for the next.
            self._padded[rows:] = 0
            image = self._padded
        self._input.update_inplace(image)
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding, self._options)
        # On the CPU `numpy` shows the buffer itself, which the next run overwrites.
        return {name: value.numpy()[:rows].copy() for name, value in self._outputs.items()}


def _shapes(session: Any, picture: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """The shape of each output for one picture: a file may leave it open, buffers cannot."""
    names = [output.name for output in session.get_outputs()]
    # Buffers of a recorded graph must not be these.
    values = session.run(
        names, {"image": np.zeros((1, *picture), np.uint8)}, _graph_options(_NO_GRAPH)
    )
    return {name: value.shape[1:] for name, value in zip(names, values, strict=True)}


def _graph_options(graph_id: str) -> Any:
    options = _ort.RunOptions()
    options.add_run_config_entry(_GRAPH_ID, graph_id)
    return options
