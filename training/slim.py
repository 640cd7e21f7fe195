"""The verb `slim`: a trained network with fewer channels, as the start of another run."""

from pathlib import Path

from service.inference.errors import InvalidInput
from training.config import DataSet, TrainConfig, Weights
from training.data.coco import read_coco
from training.keras_session import provisional_card
from training.network_inputs import draw_inputs
from training.networks.config import PyramidNeck
from training.networks.slim import copy_slimmed
from training.run import empty_network, open_run
from training.weights_name import require_weights_name

_INPUTS = 128


def slim_run(
    folder: Path,
    data: DataSet,
    output: Path,
    *,
    expansion: float | None = None,
    refine_expansion: float | None = None,
    deep_channels: int | None = None,
    weights: Weights = "best",
) -> None:
    """Writes weights for `--init-weights` of a run with other `backbone.expansion` or neck.

    Args:
        folder: of a run whose backbone is MobileNetV2.
        data: people or pictures on which the channels are compared.
        output: a file whose name ends in `.weights.h5`.
        expansion: of the smaller network's blocks; None keeps it.
        refine_expansion: of the 5x5 blocks of the smaller network's pyramid; None keeps it.
        deep_channels: of the smaller network's pyramid; None keeps them.
        weights: of the run.

    Raises:
        InvalidInput: nothing would be smaller than in the run.
        InvalidData: the run or the data cannot be used.
    """
    require_weights_name(output)
    run = open_run(folder)
    config = _smaller(
        run.config, expansion, refine_expansion=refine_expansion, deep_channels=deep_channels
    )
    inputs = draw_inputs(provisional_card(run.config, run.skeleton), [read_coco(data)], _INPUTS)
    narrow = empty_network(config, run.skeleton)
    copy_slimmed(run.network(weights), narrow, inputs)
    narrow.save_weights(output)


def _smaller(config: TrainConfig, expansion: float | None, **of_neck: float | None) -> TrainConfig:
    backbone, neck = config.backbone, config.neck
    wanted = {name: value for name, value in of_neck.items() if value is not None}
    if expansion is None and not wanted:
        raise InvalidInput(f"expansion: say what shall be smaller, this or {' or '.join(of_neck)}")
    if expansion is not None:
        _check("expansion", expansion, backbone.expansion)
        backbone = backbone.model_copy(update={"expansion": expansion})
    for name, value in wanted.items():
        _check(name, value, getattr(neck, name) if isinstance(neck, PyramidNeck) else 0)
    if neck is not None:
        neck = neck.model_copy(update=wanted)
    return config.model_copy(update={"backbone": backbone, "neck": neck})


def _check(name: str, wanted: float, before: float) -> None:
    if not 1 <= wanted < before:
        raise InvalidInput(
            f"{name}: got {wanted:g}, expected 1 or more and less than the run's {before:g}"
        )
