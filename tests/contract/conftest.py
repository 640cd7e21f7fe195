"""Small networks with random weights, exported once as a models folder, and the same in Keras."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import skimage.data

from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.inference.types import Image
from training.config import TrainConfig
from training.export import export_run
from training.keras_session import KerasSession, provisional_card, session_of_run
from training.networks.build import build_network
from training.recipes import recipe
from training.run import Run, create_run
from training.skeletons import COCO


@dataclass(frozen=True)
class Exported:
    """The ONNX file of a bundle and the network that it was written from."""

    path: Path
    keras: KerasSession


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contract") / "models"


@pytest.fixture(scope="session")
def pose(models_dir: Path) -> Exported:
    return _export("mobilenetv2-heatmap-debug", models_dir)


@pytest.fixture(scope="session")
def detector(models_dir: Path) -> Exported:
    return _export("person-detector-debug", models_dir)


@pytest.fixture(scope="session")
def pipelines(models_dir: Path, pose: Exported, detector: Exported) -> tuple[PoseEstimator, ...]:
    """What the service loads, and the same two networks in Keras."""
    detector_card, pose_card = detector.keras.card, pose.keras.card
    (models_dir / "pipelines.toml").write_text(
        "[default]\n"
        f'detector = "{detector_card.name}/{detector_card.version}"\n'
        f'keypoints = "{pose_card.name}/{pose_card.version}"\n'
        "min_person_score = 0.0\n"
    )
    return (
        load_pipeline(models_dir, "default", Execution(device="cpu")),
        PoseEstimator("keras", detector.keras, pose.keras, 0.0),
    )


@pytest.fixture(scope="session")
def astronaut() -> Image:
    return Image(np.ascontiguousarray(skimage.data.astronaut()))


def _export(recipe_name: str, models_dir: Path) -> Exported:
    run = _random_run(models_dir.parent / recipe_name, recipe(recipe_name))
    folder = export_run(run.folder, models_dir)
    card = provisional_card(run.config, run.skeleton)
    return Exported(folder / "model.onnx", session_of_run(run, run.network(), card))


def _random_run(folder: Path, config: TrainConfig) -> Run:
    """A run with random weights whose answers are peaks inside of a photograph."""
    keras.utils.set_random_seed(5)
    skeleton = COCO if config.task == "keypoints" else None
    run = create_run(folder, config, skeleton)
    network = build_network(config, skeleton)
    rng = np.random.default_rng(5)
    for variable in network.weights:
        if variable.name in ("gamma", "beta", "moving_mean"):
            variable.assign(variable + rng.normal(0, 0.3, variable.shape))
    _aim(network, len(COCO.names) if skeleton else 1, rng)
    network.save_weights(run.best_weights)
    return run


def _aim(network: keras.Model, heats: int, rng: np.random.Generator) -> None:
    """Sets the last layer so that the first channels prefer what one inner cell of a photo shows.

    The readout is the linear discriminant between that cell and all others.
    """
    _, height, width, _ = network.input.shape
    picture = cv2.resize(skimage.data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)
    features = keras.Model(network.input, network.get_layer("head").output)(picture[np.newaxis])
    grid = keras.ops.convert_to_numpy(features)[0]
    cells = grid.reshape(-1, grid.shape[-1])
    centre = cells.mean(axis=0)
    rows, columns = rng.integers(3, np.array(grid.shape[:2]) - 3, (heats, 2)).T
    readout = np.linalg.pinv(np.cov(cells.T), rcond=1e-4) @ (grid[rows, columns] - centre).T
    kernel, bias = (variable.numpy() for variable in network.get_layer("logits").weights)
    kernel[0, 0, :, :heats] = readout
    bias[:heats] = -centre @ readout - 4
    network.get_layer("logits").set_weights([kernel, bias])
