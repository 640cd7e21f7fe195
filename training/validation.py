"""Measures a network during training with the code that measures exported bundles."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras

from service.inference.card import ModelCard
from service.inference.session import Answer, Session
from service.inference.types import Floats, Pixels
from training.checkpoint import replace_file
from training.data.coco import CocoFile
from training.evaluate import evaluate_alone
from training.keras_session import KerasSession, provisional_card
from training.networks.build import with_decoder
from training.run import Run, at_all_sizes, empty_network

_OVERHEAD_BYTES = 8192
"""Of HDF5 for each weight, generously."""


class Validation:
    """A second network, in float32, that takes averaged weights to be measured and kept.

    There is one of it for each size of the input.

    Args:
        run: whose files it writes.
        files: to measure on; without any, nothing is measured.
        check: called before each batch; it may raise to end the measurement.
    """

    def __init__(self, run: Run, files: Sequence[CocoFile], check: Callable[[], None]) -> None:
        self._run = run
        self._files = files
        network = empty_network(run.config, run.skeleton)
        self._networks = at_all_sizes(network, run.config, run.skeleton)
        decoded = [with_decoder(one, run.config) for one in self._networks]
        session = KerasSession(decoded, provisional_card(run.config, run.skeleton))
        self._session = _Watched(session, check)

    def measure(self, weights: Sequence[Floats]) -> Mapping[str, float]:
        """The COCO figures of these weights, averaged over the files."""
        for network in self._networks:
            network.set_weights(weights)
        results = [evaluate_alone(self._session, coco).metrics for coco in self._files]
        names = results[0] if results else ()
        return {name: sum(result[name] for result in results) / len(results) for name in names}

    def keep(self, path: Path) -> None:
        """Writes the weights that were measured last.

        Raises:
            TrainingFailed: the file cannot be written.
        """
        replace_file(path, lambda draft: _save(self._networks[0], draft))


class _Watched:
    """A session that may be interrupted between batches; implements `Session`."""

    def __init__(self, session: Session, check: Callable[[], None]) -> None:
        self._session = session
        self._check = check

    @property
    def card(self) -> ModelCard:
        return self._session.card

    @property
    def provider(self) -> str:
        return self._session.provider

    def run(self, image: Pixels) -> Answer:
        self._check()
        return self._session.run(image)


def _save(network: keras.Model, path: Path) -> None:
    """HDF5 ends the process where a disk is full, so the room is asked for before."""
    room = sum(math.prod(weight.shape) * 4 + _OVERHEAD_BYTES for weight in network.weights)
    # Neither macOS nor Windows has it.
    if hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room)
    try:
        network.save_weights(path)
    except RuntimeError as error:
        raise OSError(str(error)) from error
