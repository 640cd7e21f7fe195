"""A run's folder: configuration, checkpoints, best weights, logs.

runs/x/config.json           the resolved TrainConfig
       skeleton.json         for keypoint networks
       checkpoints/          weights and optimizer state after some step; the last two are kept
       best.weights.h5       averaged (EMA) weights with the best validation AP
       final.weights.h5      averaged weights of the newest measured epoch, at the end the last
       environment.json      software and hardware that it ran on, seconds spent
       log.csv, tensorboard/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from pydantic import ValidationError

from service.inference.card import Effort, Skeleton
from service.inference.errors import InvalidData
from training.checkpoint import last_position, replace_file, restore_network
from training.config import TrainConfig, Weights
from training.networks.build import build_network


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

    def note_environment(self, environment: Mapping[str, Any], duration_s: float) -> None:
        """Writes what the run runs on, and for how long it has.

        Raises:
            TrainingFailed: the file cannot be written.
        """
        text = json.dumps({**environment, "duration_s": round(duration_s, 3)}, indent=2)
        replace_file(self.folder / "environment.json", lambda draft: _write(draft, text))

    def effort(self) -> Effort | None:
        """What the run took so far; None before it noted that."""
        try:
            noted = json.loads((self.folder / "environment.json").read_text())
        except OSError:
            return None
        cpu = f"{noted['cpu']['model']}, {noted['cpu']['cores']} cores"
        on_gpu = any(device.startswith(("gpu", "cuda")) for device in noted["devices"])
        return Effort(
            samples=last_position(self.checkpoints).step * self.config.batch_size,
            hours=round(noted["duration_s"] / 3600, 2),
            processor=", ".join(noted["gpus"]) if on_gpu else cpu,
        )

    def network(self, weights: Weights = "best") -> keras.Model:
        """The trainable graph with weights of the run.

        Args:
            weights: `best` and `final` are averaged; `raw` are those of the last checkpoint.

        Raises:
            InvalidData: the run has no such weights yet.
        """
        path = self.final_weights if weights == "final" else self.best_weights
        if weights != "raw" and not path.is_file():
            raise InvalidData(f"run {self.folder}: no {weights} weights yet")
        network = empty_network(self.config, self.skeleton)
        if weights == "raw":
            restore_network(self.checkpoints, network)
        else:
            network.load_weights(path)
        return network

    def epochs_done(self) -> int:
        """Finished epochs at the last checkpoint; 0 without one."""
        return last_position(self.checkpoints).epochs


def empty_network(config: TrainConfig, skeleton: Skeleton | None) -> keras.Model:
    """The graph of a run in float32, without the weights that the run started from."""
    plain = config.model_copy(update={"backbone_weights": "none", "init_weights": None})
    return build_network(plain, skeleton)


def at_all_sizes(
    network: keras.Model, config: TrainConfig, skeleton: Skeleton | None
) -> list[keras.Model]:
    """A network, and for each further size of its input one with copies of its weights."""
    others = [
        empty_network(config.model_copy(update={"input": size}), skeleton)
        for size in config.other_inputs
    ]
    for other in others:
        other.set_weights(network.get_weights())
    return [network, *others]


def create_run(folder: Path, config: TrainConfig, skeleton: Skeleton | None) -> Run:
    """Starts a run in an empty folder.

    Raises:
        InvalidData: the folder already holds a run.
        TrainingFailed: it cannot be written.
    """
    if (folder / "config.json").exists():
        raise InvalidData(f"output: {folder} already holds a run; use --resume or another folder")
    if skeleton is not None:
        text = skeleton.model_dump_json(indent=2)
        replace_file(folder / "skeleton.json", lambda draft: _write(draft, text))
    # Last, since it makes the folder a run.
    text_of_config = config.model_dump_json(indent=2)
    replace_file(folder / "config.json", lambda draft: _write(draft, text_of_config))
    return Run(folder, config, skeleton)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


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
