"""The verb `slim`: a trained network with fewer channels, as the start of another run."""

from pathlib import Path

from service.inference.errors import InvalidData, InvalidInput
from training.config import DataSet, Weights
from training.data.coco import read_coco
from training.keras_session import provisional_card
from training.network_inputs import draw_inputs
from training.networks.slim import copy_slimmed
from training.run import empty_network, open_run

_INPUTS = 128


def slim_run(
    folder: Path, expansion: float, data: DataSet, output: Path, weights: Weights = "best"
) -> None:
    """Writes weights for `--init-weights` of a run with `--backbone.expansion`.

    Args:
        folder: of a run whose backbone is MobileNetV2.
        expansion: of the smaller network's blocks.
        data: people or pictures on which the channels are compared.
        output: a file whose name ends in `.weights.h5`.
        weights: of the run.

    Raises:
        InvalidInput: the expansion is not smaller than the run's.
        InvalidData: the run or the data cannot be used.
    """
    if not output.name.endswith(".weights.h5"):
        raise InvalidData(f"output: {output} must end in .weights.h5")
    run = open_run(folder)
    backbone = run.config.backbone
    if not 1 <= expansion < backbone.expansion:
        raise InvalidInput(
            f"expansion: got {expansion:g}, expected 1 or more and less than the run's "
            f"{backbone.expansion:g}"
        )
    inputs = draw_inputs(provisional_card(run.config, run.skeleton), [read_coco(data)], _INPUTS)
    slimmer = backbone.model_copy(update={"expansion": expansion})
    narrow = empty_network(run.config.model_copy(update={"backbone": slimmer}), run.skeleton)
    copy_slimmed(run.network(weights), narrow, inputs)
    narrow.save_weights(output)
