from pathlib import Path

import numpy as np
import pytest

from service.inference.errors import InvalidData, InvalidInput
from training.average import average_runs
from training.cli import main
from training.config import TrainConfig
from training.networks.build import build_network, load_matching_weights
from training.networks.config import DenseHead
from training.recipes.pose import mobilenetv2_heatmap_debug
from training.run import create_run
from training.skeletons import COCO


def _run(folder: Path, value: float, **changes: object) -> TrainConfig:
    """A run whose network holds one value everywhere."""
    config = mobilenetv2_heatmap_debug().model_copy(update=changes)
    network = build_network(config, COCO)
    network.set_weights([np.full(weight.shape, value) for weight in network.get_weights()])
    network.save_weights(create_run(folder, config, COCO).best_weights)
    return config


def test_every_weight_is_the_mean_of_the_runs(tmp_path: Path) -> None:
    config = _run(tmp_path / "a", 1.0)
    _run(tmp_path / "b", 4.0)
    _run(tmp_path / "c", 4.0)
    output = tmp_path / "mean.weights.h5"
    runs = [str(tmp_path / name) for name in "abc"]
    assert main(["average", *runs, "--output", str(output)]) == 0
    network = build_network(config, COCO)
    load_matching_weights(network, output)
    for weight in network.get_weights():
        np.testing.assert_allclose(weight, 3.0)


def test_one_run_has_no_mean(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least two"):
        average_runs([tmp_path], tmp_path / "mean.weights.h5")


def test_runs_of_other_networks_are_named(tmp_path: Path) -> None:
    _run(tmp_path / "a", 1.0)
    _run(tmp_path / "b", 1.0, head=DenseHead(channels=24))
    with pytest.raises(InvalidData, match="b has other layers"):
        average_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "mean.weights.h5")
    assert not (tmp_path / "mean.weights.h5").exists()
