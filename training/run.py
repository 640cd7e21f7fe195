"""A run's folder: configuration, checkpoints, best weights, logs.

runs/x/config.json           the resolved TrainConfig
       skeleton.json         for keypoint networks
       checkpoints/00012/    weights and optimizer state after epoch 12; only the last is kept
       best.weights.h5       averaged (EMA) weights with the best validation AP
       final.weights.h5      averaged weights of the newest measured epoch, at the end the last
       log.csv, tensorboard/
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from pydantic import ValidationError

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from training.config import TrainConfig, Weights
from training.networks.build import build_network

_WEIGHTS = "last.weights.h5"


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder and what it was started with."""

    folder: Path
    config: TrainConfig
    skeleton: Skeleton | None

    @property
    def best_weights(self) -> Path:
        return self.folder / "best.weights.h5"

    @property
    def final_weights(self) -> Path:
        return self.folder / "final.weights.h5"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def network(self, weights: Weights = "best") -> keras.Model:
        """The trainable graph with weights of the run.

        Args:
            weights: `best` and `final` are averaged; `raw` are those of the last checkpoint.

        Raises:
            InvalidData: the run has no such weights yet.
        """
        match weights:
            case "best":
                path = self.best_weights
            case "final":
                path = self.final_weights
            case "raw":
                path = self._last_checkpoint() / _WEIGHTS
        if not path.is_file():
            raise InvalidData(f"run {self.folder}: no {weights} weights yet")
        config = self.config.model_copy(update={"backbone_weights": "none", "init_weights": None})
        network = build_network(config, self.skeleton)
        network.load_weights(path)
        return network

    def _last_checkpoint(self) -> Path:
        return max(self.checkpoints.glob("[0-9]*"), default=self.checkpoints / "none")

    def epochs_done(self) -> int:
        """Epochs of the last checkpoint; 0 without one."""
        name = self._last_checkpoint().name
        return int(name) if name.isdigit() else 0

    def save_checkpoint(self, model: keras.Model, epoch: int, best: float) -> None:
        """Writes weights and optimizer state after `epoch` epochs; a kill leaves the one before."""
        target = self.checkpoints / f"{epoch:05d}"
        draft = self.checkpoints / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        model.save_weights(draft / _WEIGHTS)
        state = {
            f"{i:05d}": np.asarray(variable) for i, variable in enumerate(model.optimizer.variables)
        }
        np.savez(draft / "state.npz", allow_pickle=False, best=best, **state)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        for old in self.checkpoints.glob("[0-9]*"):
            if old != target:
                shutil.rmtree(old)

    def restore_checkpoint(self, model: keras.Model) -> float:
        """Puts the last checkpoint into a compiled model; returns the best AP so far.

        Raises:
            InvalidData: the checkpoint belongs to another network.
        """
        checkpoint = self._last_checkpoint()
        try:
            model.load_weights(checkpoint / _WEIGHTS)
            with np.load(checkpoint / "state.npz") as state:
                for i, variable in enumerate(model.optimizer.variables):
                    variable.assign(state[f"{i:05d}"])
                return float(state["best"])
        except (OSError, ValueError, KeyError) as error:
            raise InvalidData(f"checkpoint {checkpoint} does not fit: {error}") from error


def create_run(folder: Path, config: TrainConfig, skeleton: Skeleton | None) -> Run:
    """Starts a run in an empty folder.

    Raises:
        InvalidData: the folder already holds a run.
    """
    if (folder / "config.json").exists():
        raise InvalidData(f"output: {folder} already holds a run; use --resume or another folder")
    folder.mkdir(parents=True, exist_ok=True)
    if skeleton is not None:
        (folder / "skeleton.json").write_text(skeleton.model_dump_json(indent=2))
    (folder / "config.json").write_text(config.model_dump_json(indent=2))
    return Run(folder, config, skeleton)


def open_run(folder: Path) -> Run:
    """Reads a run's configuration.

    Raises:
        InvalidData: the folder holds no run, or one of another version.
    """
    try:
        config = TrainConfig.model_validate_json((folder / "config.json").read_text())
        path = folder / "skeleton.json"
        skeleton = Skeleton.model_validate_json(path.read_text()) if path.exists() else None
    except OSError as error:
        raise InvalidData(f"run: no run in {folder} ({error.strerror})") from error
    except ValidationError as error:
        raise InvalidData(f"run: {folder}/config.json is not valid: {error}") from error
    return Run(folder, config, skeleton)
