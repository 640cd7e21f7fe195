"""ONNX Runtime's sessions: how one is started on the CPU or a GPU, and why it cannot be."""

import contextlib
import ctypes
import io
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

from service.inference.card import Precision
from service.inference.errors import DeviceUnavailable, InvalidBundle
from service.inference.execution import Execution

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
_ONLY_FATAL = 4
_Providers = Sequence[tuple[str, Mapping[str, str]]]
# The package has no types: what is taken from it is typed where it is taken.
_ort = cast("Any", onnxruntime)
_ort_errors = _ort.capi.onnxruntime_pybind11_state
# They have no base class of their own.
FAILURES: tuple[type[Exception], ...] = (
    _ort_errors.EngineError,
    _ort_errors.EPFail,
    _ort_errors.Fail,
    _ort_errors.InvalidArgument,
    _ort_errors.InvalidGraph,
    _ort_errors.InvalidProtobuf,
    _ort_errors.NoModel,
    _ort_errors.NotImplemented,
    _ort_errors.RuntimeException,
    RuntimeError,
)
"""What ONNX Runtime raises when it cannot load or run a network."""


def start_on_cpu(path: Path, threads: int) -> Any:
    """A session of ONNX Runtime on the CPU.

    Raises:
        InvalidBundle: the file is not a network that can be loaded.
    """
    try:
        return _create(path, [(CPU, {})], threads)
    except FAILURES as error:
        raise InvalidBundle(f"{path} is not a network that can be loaded: {error}") from error


def start_on_gpu(path: Path, execution: Execution, gpu_id: int, precision: Precision) -> Any:
    """A session of ONNX Runtime on a GPU.

    Args:
        path: of a file that loads on the CPU.
        execution: how it is to run.
        gpu_id: of the GPU.
        precision: in which TensorRT may compute beside float32.

    Raises:
        DeviceUnavailable: the network cannot run there; says why.
    """
    wanted = TENSORRT if execution.tensorrt else CUDA
    if wanted not in _ort.get_available_providers():
        name = "TensorRT" if execution.tensorrt else "CUDA"
        raise DeviceUnavailable(f"the installed ONNX Runtime is built without {name}")
    with contextlib.redirect_stdout(io.StringIO()):
        # Prints what it cannot find; `_missing_library` tells the first of it.
        _ort.preload_dlls()
    tensorrt = (TENSORRT, tensorrt_options(execution, gpu_id, precision))
    others: _Providers = ((CUDA, cuda_options(execution, gpu_id)), (CPU, {}))
    providers = (tensorrt, *others) if execution.tensorrt else others
    try:
        session = _create(path, providers, execution.threads)
    except FAILURES as error:
        raise DeviceUnavailable(str(error).strip()) from error
    if CUDA not in session.get_providers():
        raise DeviceUnavailable(_missing_library())
    used = main_provider(session)
    if used != wanted:
        raise DeviceUnavailable(f"{wanted} cannot run most of its nodes; {used} would")
    return session


def cuda_options(execution: Execution, gpu_id: int) -> dict[str, str]:
    """The options of ONNX Runtime's CUDA provider.

    Source: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
    """
    return {
        "device_id": str(gpu_id),
        # The few batch sizes are all run at the start, the largest first, so the memory is known
        # then; growing in powers of two would take up to twice as much (onnxruntime#22297).
        "arena_extend_strategy": "kSameAsRequested",
        # Tries every algorithm for a new shape: this costs only the start, there are no later ones.
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        # TF32 would round what the card calls fp32, and its metrics were measured without.
        "use_tf32": "0",
        "enable_cuda_graph": str(int(execution.cuda_graphs)),
    }


def tensorrt_options(execution: Execution, gpu_id: int, precision: Precision) -> dict[str, str]:
    """The options of ONNX Runtime's TensorRT provider.

    Source: https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html
    """
    options = {
        "device_id": str(gpu_id),
        "trt_fp16_enable": str(int(precision == "fp16")),
        "trt_int8_enable": str(int(precision == "int8")),
    }
    if execution.cache_dir is not None:
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(execution.cache_dir),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(execution.cache_dir),
        }
    return options


def main_provider(session: Any) -> str:
    """The provider that most nodes were given to: one that is registered may have none."""
    nodes = Counter[str]()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes.most_common(1)[0][0] if nodes else session.get_providers()[0]


def _create(path: Path, providers: _Providers, threads: int) -> Any:
    # Whatever goes wrong is raised; ONNX Runtime would write it to stderr as well.
    _ort.set_default_logger_severity(_ONLY_FATAL)
    options = _ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_FATAL
    # A thread that spins while it waits takes the core from another request.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # Without this a failure on CUDA, also of a later run, moves the session to the CPU unnoticed.
    # `session.disable_cpu_ep_fallback` is not for us: it also forbids the few nodes on shapes that
    # ONNX Runtime deliberately leaves on the CPU.
    return _ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)


def _missing_library() -> str:
    """Why the CUDA provider did not load: ONNX Runtime itself tells it only in its log."""
    if sys.platform == "linux":
        folder = Path(onnxruntime.__file__).parent / "capi"
        try:
            for name in ("shared", "cuda"):
                library = folder / f"libonnxruntime_providers_{name}.so"
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            return f"{error}; expected an NVIDIA driver, CUDA 13 and cuDNN 9"
    return "its CUDA provider did not load; expected an NVIDIA driver, CUDA 13 and cuDNN 9"
