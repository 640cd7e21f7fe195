"""Checkpoints: all that a run needs to go on exactly where it was.

A checkpoint is one file, `checkpoints/step-000001200.npz`, written beside its final name and then
renamed. Two are kept, so that one that the disk damaged can be done without.
"""

import json
import os
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from service.inference.errors import InvalidData
from training.failures import TrainingFailed
from training.notices import warn

_KEPT = 2
_POSITION = "position"
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class NotFinite(InvalidData):
    """A weight is no number any more."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run is.

    Attributes:
        step: steps done.
        epochs: epochs finished, which includes measuring and logging.
        best: highest validation AP so far.
        loss_sum: over the steps of the epoch that has begun.
        epoch_s: seconds that those steps took.
        duration_s: seconds spent on the run so far.
    """

    step: int = 0
    epochs: int = 0
    best: float | None = None
    loss_sum: float = 0.0
    epoch_s: float = 0.0
    duration_s: float = 0.0


def save_checkpoint(
    folder: Path,
    position: Position,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """Writes a checkpoint; whatever happens meanwhile, the one before stays.

    Raises:
        NotFinite: a weight is no number.
        TrainingFailed: the file cannot be written.
    """
    arrays = _arrays(network, optimizer)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise NotFinite("weights: not all are numbers")
    meta = np.array(json.dumps(asdict(position)))
    path = folder / f"step-{position.step:09d}.npz"
    replace_file(path, lambda draft: _write_arrays(draft, {_POSITION: meta, **arrays}))
    for old in _newest_first(folder)[_KEPT:]:
        old.unlink(missing_ok=True)


def restore_checkpoint(
    folder: Path, network: keras.Model, optimizer: keras.optimizers.Optimizer
) -> Position:
    """Puts the newest readable checkpoint into a network and its optimizer.

    Returns:
        Where the run was; the start if it had no checkpoint yet.

    Raises:
        InvalidData: no checkpoint can be read, or it belongs to another network.
    """
    read = _read_newest(folder)
    if read is None:
        return Position()
    path, position, arrays = read
    variables = _variables(network, optimizer)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise InvalidData(f"checkpoint {path} does not fit the network of the configuration")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return position


def restore_network(folder: Path, network: keras.Model) -> None:
    """Puts the raw weights of the newest readable checkpoint into a network.

    Raises:
        InvalidData: there is none, or it belongs to another network.
    """
    read = _read_newest(folder)
    if read is None:
        raise InvalidData(f"run {folder.parent}: no raw weights yet")
    path, _, arrays = read
    variables = _variables(network, None)
    try:
        for name, variable in variables.items():
            variable.assign(arrays[name])
    except (KeyError, ValueError) as error:
        raise InvalidData(f"checkpoint {path} does not fit the network: {error}") from error


def last_position(folder: Path) -> Position:
    """Of the newest readable checkpoint, whose weights are not read; the start without one."""
    for path in _newest_first(folder):
        try:
            with _opened(path) as file:
                return _position(file[_POSITION])
        except _DAMAGED:
            continue
    return Position()


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its name and renames it, so that it is whole or as it was before.

    Raises:
        TrainingFailed: it cannot be written, for example on a full disk.
    """
    draft = path.with_name(f"draft-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise TrainingFailed(f"output: cannot write {path}: {error.strerror or error}") from error


def _write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _variables(
    network: keras.Model, optimizer: keras.optimizers.Optimizer | None
) -> dict[str, Any]:
    """Also the states of random numbers, which are no weights."""
    groups: dict[str, Any] = {
        "trained": network.trainable_variables,
        "other": network.non_trainable_variables,
        "optimizer": [] if optimizer is None else optimizer.variables,
    }
    return {
        f"{group}-{number:05d}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }


def _arrays(
    network: keras.Model, optimizer: keras.optimizers.Optimizer
) -> dict[str, npt.NDArray[Any]]:
    return {name: np.asarray(v) for name, v in _variables(network, optimizer).items()}


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    """What numpy opens itself, it leaves open when the archive is broken."""
    with path.open("rb") as file, np.load(file) as arrays:
        yield arrays


def _position(meta: npt.NDArray[Any]) -> Position:
    return Position(**json.loads(str(meta)))


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.npz"), reverse=True)


def _read_newest(folder: Path) -> tuple[Path, Position, dict[str, npt.NDArray[Any]]] | None:
    paths = _newest_first(folder)
    for path in paths:
        try:
            with _opened(path) as file:
                arrays = {name: file[name] for name in file.files}
            return path, _position(arrays.pop(_POSITION)), arrays
        except _DAMAGED as error:
            warn(f"checkpoint {path} is damaged and is left out: {error}")
    if paths:
        raise InvalidData(f"checkpoints: none in {folder} can be read")
    return None
