"""Where and how networks run: what every session of a process is opened with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.inference.errors import InvalidInput

Device = Literal["auto", "cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class Execution:
    """What networks run on.

    Attributes:
        device: `cuda` runs on the GPU or not at all; `auto` prefers it.
        threads: for one run on the CPU.
        gpu_ids: of the GPUs that each get the network, as CUDA numbers them.
        tensorrt: compile the network with TensorRT.
        cuda_graphs: record the launches of a run on CUDA once, and replay them.
        max_batch: the most pictures of one run on a GPU.
        cache_dir: where TensorRT keeps what it compiled; None compiles at every start.

    Raises:
        InvalidInput: a value is out of range, or two of them exclude each other.
    """

    device: Device = "auto"
    threads: int = 1
    gpu_ids: tuple[int, ...] = (0,)
    tensorrt: bool = False
    cuda_graphs: bool = False
    max_batch: int = 32
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        distinct = len(set(self.gpu_ids)) == len(self.gpu_ids)
        if not self.gpu_ids or min(self.gpu_ids) < 0 or not distinct:
            raise InvalidInput(
                f"gpu_ids is {list(self.gpu_ids)}; expected different numbers from 0 up, at least 1"
            )
        if self.max_batch < 1:
            raise InvalidInput(f"max_batch is {self.max_batch}; expected at least 1")
        if self.device == "cpu" and (self.tensorrt or self.cuda_graphs):
            wish = "tensorrt" if self.tensorrt else "cuda_graphs"
            raise InvalidInput(f"{wish} is on and device is cpu; expected device cuda or auto")
        if self.tensorrt and self.cuda_graphs:
            # ONNX Runtime's TensorRT provider keeps one graph, so one batch size.
            raise InvalidInput("tensorrt and cuda_graphs are both on; expected one of them")

    @property
    def needs_gpu(self) -> bool:
        """Whether something was asked for that the CPU would not give."""
        return (
            self.device == "cuda" or self.tensorrt or self.cuda_graphs or self.gpu_ids != (0,)
        ) and self.device != "cpu"

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """What runs on a GPU are padded to: 1, 2, 4, ... up to `max_batch`, ascending."""
        powers = (2**power for power in range((self.max_batch - 1).bit_length()))
        return (*powers, self.max_batch)
