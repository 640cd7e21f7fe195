"""The verb `import-movenet`: MoveNet as starting weights of our networks."""

from pathlib import Path

import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Pixels
from training.config import DataSet, TrainConfig
from training.data.coco import CocoFile, people, read_coco
from training.data.keypoints import KeypointSamples
from training.networks.build import build_network
from training.networks.movenet import load_movenet, read_tfjs_weights
from training.recipes import recipe

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
    if not output.name.endswith(".weights.h5"):
        raise InvalidData(f"output: {output} must end in .weights.h5")
    config = recipe(recipe_name).model_copy(update={"backbone_weights": "none"})
    coco = read_coco(data)
    network = build_network(config, coco.skeleton)
    load_movenet(network, read_tfjs_weights(model_json), _crops(coco, config))
    network.save_weights(output)


def _crops(coco: CocoFile, config: TrainConfig) -> Pixels:
    records = people(coco)
    if not records:
        raise InvalidData(f"annotations: nobody in {coco.path} has labelled joints")
    samples = KeypointSamples(records, config, coco.skeleton)
    rng = np.random.default_rng(config.seed)
    chosen = rng.choice(len(records), min(_CROPS, len(records)), replace=False)
    return np.stack([samples.sample(int(index), rng, None)[0] for index in chosen])
