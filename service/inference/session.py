"""One ONNX file, checked against its card, and run: the only module that knows ONNX Runtime."""

import contextlib
import ctypes
import io
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from pydantic import ValidationError

from service.inference.card import METADATA_KEY, ModelCard
from service.inference.errors import DeviceUnavailable, InvalidBundle, InvalidInput
from service.inference.signature import Tensor, check_answer, check_signature
from service.inference.types import Pixels
from service.inference.validation import first_problem

Device = Literal["auto", "cuda", "cpu"]
Answer = dict[str, npt.NDArray[np.float32]]
"""Outputs by name; their shapes are in `service.inference.signature`."""

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_ONLY_FATAL = 4
_WARM_UP_BATCHES = (1, 2)
# The package has no types: what is taken from it is typed where it is taken.
_ort = cast("Any", onnxruntime)
_ort_errors = _ort.capi.onnxruntime_pybind11_state
# They have no base class of their own.
_ORT_ERRORS: tuple[type[Exception], ...] = (
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


class Session(Protocol):
    """A network that is ready to run; its methods may be called from many threads at once."""

    @property
    def card(self) -> ModelCard:
        """What the network says about itself."""
        ...

    @property
    def provider(self) -> str:
        """The execution provider that really runs it, e.g. `CPUExecutionProvider`."""
        ...

    def run(self, image: Pixels) -> Answer:
        """Runs the network on uint8 RGB `[N, H, W, 3]`."""
        ...


class OnnxSession:
    """A `Session` over ONNX Runtime.

    Args:
        session: of ONNX Runtime, whose signature fits the card.
        card: of the network.
        provider: that runs it.
    """

    def __init__(self, session: Any, card: ModelCard, provider: str) -> None:
        self._session = session
        self._card = card
        self._provider = provider
        self._outputs: list[str] = [output.name for output in session.get_outputs()]

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def provider(self) -> str:
        return self._provider

    def run(self, image: Pixels) -> Answer:
        """Runs the network on uint8 RGB `[N, H, W, 3]`.

        Raises:
            InvalidInput: the array has another type or shape than the card says.
        """
        wanted = (self._card.input.height, self._card.input.width, 3)
        if image.dtype != np.uint8 or image.ndim != 4 or image.shape[1:] != wanted:
            raise InvalidInput(
                f"image is {image.dtype} {list(image.shape)}; "
                f"expected uint8 [N, {', '.join(map(str, wanted))}]"
            )
        values: list[npt.NDArray[np.float32]] = self._session.run(self._outputs, {"image": image})
        return dict(zip(self._outputs, values, strict=True))

    def warm_up(self) -> None:
        """Runs the network on one and on two test pictures, before the first request does.

        Raises:
            InvalidBundle: it fails, or its answer has a wrong shape or a value that is not finite.
        """
        size = self._card.input
        picture = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), np.uint8)
        for batch in _WARM_UP_BATCHES:
            try:
                answer = self.run(np.stack([picture] * batch))
            except _ORT_ERRORS as error:
                raise InvalidBundle(f"fails on {batch} test picture(s): {error}") from error
            check_answer(self._card, batch, answer)


def open_session(path: Path, *, device: Device, threads: int) -> OnnxSession:
    """Loads a bundle's `model.onnx` and checks it against the card inside.

    Args:
        path: of the file.
        device: `cuda` runs on the GPU or not at all; `auto` prefers it.
        threads: for one run on the CPU.

    Raises:
        InvalidBundle: the file, its card or its inputs and outputs are not as they should be.
        DeviceUnavailable: the device is `cuda` and the network cannot run on it.
    """
    if not path.is_file():
        raise InvalidBundle(f"{path} does not exist; expected an ONNX file")
    session = _start(path, device, threads)
    try:
        card = _read_card(session)
        check_signature(
            card,
            [_tensor(value) for value in session.get_inputs()],
            [_tensor(value) for value in session.get_outputs()],
        )
    except InvalidBundle as error:
        raise InvalidBundle(f"{path}: {error}") from error
    return OnnxSession(session, card, _main_provider(session))


def _read_card(session: Any) -> ModelCard:
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise InvalidBundle(f"metadata has no card; expected JSON under {METADATA_KEY}")
    try:
        return ModelCard.model_validate_json(metadata[METADATA_KEY])
    except ValidationError as error:
        raise InvalidBundle(f"card is invalid: {first_problem(error)}") from error


def _tensor(value: Any) -> Tensor:
    return Tensor(value.name, value.type, tuple(value.shape or ()))


def _start(path: Path, device: Device, threads: int) -> Any:
    # Whatever goes wrong here is raised; ONNX Runtime would write it to stderr as well.
    _ort.set_default_logger_severity(_ONLY_FATAL)
    if device == "cpu":
        return _start_on_cpu(path, threads)
    try:
        return _start_on_cuda(path, threads)
    except DeviceUnavailable as error:
        # First whether the file is at fault: then it does not start on the CPU either.
        session = _start_on_cpu(path, threads)
        if device == "cuda":
            raise DeviceUnavailable(f"device cuda cannot run {path}: {error}") from error
        return session


def _start_on_cpu(path: Path, threads: int) -> Any:
    try:
        return _create(path, [_CPU], threads)
    except _ORT_ERRORS as error:
        raise InvalidBundle(f"{path} is not a network that can be loaded: {error}") from error


def _start_on_cuda(path: Path, threads: int) -> Any:
    if _CUDA not in _ort.get_available_providers():
        raise DeviceUnavailable("the installed ONNX Runtime is built without CUDA")
    with contextlib.redirect_stdout(io.StringIO()):
        # Prints what it cannot find; `_missing_library` tells the first of it.
        _ort.preload_dlls()
    try:
        session = _create(path, [_CUDA, _CPU], threads)
    except _ORT_ERRORS as error:
        raise DeviceUnavailable(str(error)) from error
    if _CUDA not in session.get_providers():
        raise DeviceUnavailable(_missing_library())
    if _main_provider(session) != _CUDA:
        raise DeviceUnavailable("CUDA has no kernels for most of its nodes")
    return session


def _create(path: Path, providers: list[str], threads: int) -> Any:
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


def _main_provider(session: Any) -> str:
    """The provider that most nodes were given to: one that is registered may have none."""
    nodes = Counter[str]()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes.most_common(1)[0][0] if nodes else session.get_providers()[0]


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
