"""The verb `import-movenet`: MoveNet as starting weights of our networks."""

from pathlib import Path

from training.config import DataSet
from training.data.coco import read_coco
from training.keras_session import provisional_card
from training.network_inputs import draw_inputs
from training.networks.build import build_network
from training.networks.movenet import load_movenet, read_tfjs_weights
from training.recipes import recipe
from training.weights_name import require_weights_name

_CROPS = 128


def import_movenet(model_json: Path, data: DataSet, output: Path, recipe_name: str) -> None:
    """Writes weights for `--init-weights`.

    Args:
        model_json: `movenet-lightning.json` or `movenet-thunder.json`, its `.bin` beside it.
        data: people whose crops give the statistics of the batch normalisations.
        output: a file whose name ends in `.weights.h5`.
        recipe_name: of a network that has MoveNet's shape.

    Raises:
        InvalidData: a file is missing or does not fit.
    """
    require_weights_name(output)
    config = recipe(recipe_name).model_copy(update={"backbone_weights": "none"})
    coco = read_coco(data)
    network = build_network(config, coco.skeleton)
    crops = draw_inputs(provisional_card(config, coco.skeleton), [coco], _CROPS)
    load_movenet(network, read_tfjs_weights(model_json), crops)
    network.save_weights(output)
