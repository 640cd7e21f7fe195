"""The verb `average`: the mean of the weights of several runs, as the start of another run.

Source: Wortsman et al. 2022, Model Soups: networks that were trained on from the same weights lie
so close together that their mean is better than each.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.inference.errors import InvalidData, InvalidInput
from training.config import Weights
from training.run import open_run
from training.weights_name import require_weights_name


def average_runs(folders: Sequence[Path], output: Path, weights: Weights = "best") -> None:
    """Writes weights for `--init-weights`.

    Args:
        folders: of runs whose networks have the same layers.
        output: a file whose name ends in `.weights.h5`.
        weights: of the runs.

    Raises:
        InvalidInput: there are not two runs.
        InvalidData: a run cannot be used, or has other layers than the first.
    """
    require_weights_name(output)
    if len(folders) < 2:
        raise InvalidInput(f"runs: got {len(folders)}, expected at least two")
    network, *others = [open_run(folder).network(weights) for folder in folders]
    sums = [np.asarray(weight, np.float64) for weight in network.get_weights()]
    shapes = [weight.shape for weight in sums]
    for folder, other in zip(folders[1:], others, strict=True):
        values = other.get_weights()
        if [value.shape for value in values] != shapes:
            raise InvalidData(f"runs: the network of {folder} has other layers than {folders[0]}")
        sums = [total + value for total, value in zip(sums, values, strict=True)]
    network.set_weights([(total / len(folders)).astype(np.float32) for total in sums])
    network.save_weights(output)
