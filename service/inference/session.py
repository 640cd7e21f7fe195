"""One ONNX file, checked against its card, and run."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from service.inference.binding import Binding, Memory
from service.inference.card import METADATA_KEY, ModelCard
from service.inference.errors import DeviceUnavailable, InferenceFailed, InvalidBundle
from service.inference.execution import Execution
from service.inference.providers import FAILURES, main_provider, start_on_cpu, start_on_gpu
from service.inference.signature import (
    Tensor,
    check_answer,
    check_image,
    check_signature,
    picture_shapes,
)
from service.inference.types import Pixels
from service.inference.validation import first_problem

Answer = dict[str, npt.NDArray[np.float32]]
"""Outputs by name; their shapes are in `service.inference.signature`."""

_LOGGER = logging.getLogger(__name__)
_CPU_TEST_BATCHES = (1, 2)


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
        card: of the network.
        provider: that runs it.
        run: does so, with pictures that fit the card.
        test_batches: sizes that `warm_up` runs, in this order.
    """

    def __init__(
        self,
        card: ModelCard,
        provider: str,
        run: Callable[[Pixels], Answer],
        test_batches: Sequence[int],
    ) -> None:
        self._card = card
        self._provider = provider
        self._run = run
        self._test_batches = test_batches

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def provider(self) -> str:
        return self._provider

    def described_by(self, card: ModelCard) -> "OnnxSession":
        """The same network with a card that tells more of it."""
        return OnnxSession(card, self._provider, self._run, self._test_batches)

    def run(self, image: Pixels) -> Answer:
        """Runs the network on uint8 RGB `[N, H, W, 3]`, N at least 1.

        Raises:
            InvalidInput: the array has another type or shape than the card says.
            InferenceFailed: ONNX Runtime fails; the log tells why, under the error's id.
        """
        check_image(self._card, image)
        try:
            return self._run(image)
        except FAILURES as error:
            failure = InferenceFailed(uuid.uuid4().hex)
            _LOGGER.error(
                "inference %s failed: %s on %d pictures",
                failure.failure_id,
                self._card.reference,
                len(image),
                exc_info=error,
            )
            raise failure from error

    def warm_up(self) -> None:
        """Runs the network on test pictures, before the first request does.

        Raises:
            InvalidBundle: it fails, or its answer has a wrong shape or a value that is not finite.
        """
        rng = np.random.default_rng(0)
        pictures = [
            rng.integers(0, 256, shape, np.uint8) for shape in picture_shapes(self._card.sizes)
        ]
        for batch, picture in product(self._test_batches, pictures):
            try:
                answer = self._run(np.stack([picture] * batch))
            except FAILURES as error:
                raise InvalidBundle(f"fails on {batch} test picture(s): {error}") from error
            check_answer(self._card, batch, answer)


def open_session(path: Path, execution: Execution) -> OnnxSession:
    """As `open_replicas`, on the first GPU or on the CPU."""
    return open_replicas(path, replace(execution, gpu_ids=execution.gpu_ids[:1]))[0]


def open_replicas(path: Path, execution: Execution) -> tuple[OnnxSession, ...]:
    """Loads a bundle's `model.onnx` and checks it against the card inside.

    Args:
        path: of the file.
        execution: where it is to run.

    Returns:
        One session for each GPU, or one for the CPU.

    Raises:
        InvalidBundle: the file, its card or its inputs and outputs are not as they should be.
        DeviceUnavailable: something was asked for that needs a GPU, and the network cannot run
            there.
    """
    if not path.is_file():
        raise InvalidBundle(f"{path} does not exist; expected an ONNX file")
    # First on the CPU, also for a GPU: a broken file is then not blamed on the device.
    session = start_on_cpu(path, execution.threads)
    try:
        card = _checked_card(session)
    except InvalidBundle as error:
        raise InvalidBundle(f"{path}: {error}") from error
    if execution.device != "cpu":
        try:
            return tuple(_on_gpu(path, card, execution, gpu_id) for gpu_id in execution.gpu_ids)
        except DeviceUnavailable as error:
            if execution.needs_gpu:
                raise DeviceUnavailable(
                    f"device {execution.device} cannot run {path} on {error}"
                ) from error
            _LOGGER.info("%s runs on the CPU, it cannot on %s", card.reference, error)
    return (OnnxSession(card, main_provider(session), _plain(session), _CPU_TEST_BATCHES),)


def _on_gpu(path: Path, card: ModelCard, execution: Execution, gpu_id: int) -> OnnxSession:
    sizes = execution.batch_sizes
    try:
        session = start_on_gpu(path, execution, gpu_id, card.precision)
        binding = Binding(session, Memory("cuda", gpu_id), picture_shapes(card.sizes), sizes)
        # The largest first: its memory then does for all, and the smallest next: TensorRT compiles
        # again whenever the range of sizes grows.
        test_batches = (sizes[-1], *sizes[:-1])
        opened = OnnxSession(card, main_provider(session), binding.run, test_batches)
        # What fails here only, for want of memory perhaps, is the device's fault.
        opened.warm_up()
    except (DeviceUnavailable, InvalidBundle, *FAILURES) as error:
        raise DeviceUnavailable(f"GPU {gpu_id}: {error}") from error
    return opened


def _plain(session: Any) -> Callable[[Pixels], Answer]:
    names = [output.name for output in session.get_outputs()]

    def run(image: Pixels) -> Answer:
        return dict(zip(names, session.run(names, {"image": image}), strict=True))

    return run


def _checked_card(session: Any) -> ModelCard:
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise InvalidBundle(f"metadata has no card; expected JSON under {METADATA_KEY}")
    try:
        card = ModelCard.model_validate_json(metadata[METADATA_KEY])
    except ValidationError as error:
        raise InvalidBundle(f"card is invalid: {first_problem(error)}") from error
    check_signature(
        card,
        [_tensor(value) for value in session.get_inputs()],
        [_tensor(value) for value in session.get_outputs()],
    )
    return card


def _tensor(value: Any) -> Tensor:
    return Tensor(value.name, value.type, tuple(value.shape or ()))
