"""The verb `import-bundle`: a bundle as starting weights of the network that it was made from."""

from pathlib import Path
from typing import Any, cast

import onnx
from pydantic import ValidationError

from service.inference.card import ModelCard
from service.inference.errors import InvalidBundle, InvalidData
from service.inference.validation import first_problem
from training.config import DataSet, TrainConfig
from training.data.coco import read_coco
from training.graph_weights import load_graph
from training.keras_session import KerasSession
from training.network_inputs import draw_inputs
from training.networks.build import with_decoder
from training.networks.unfold import unfold
from training.open_model import onnx_file, open_model
from training.parity import Difference, check_parity
from training.run import empty_network
from training.weights_name import require_weights_name

_INPUTS = 128
# Parts of the package have no types: what is taken from it is typed where it is taken.
_onnx = cast("Any", onnx)


def import_bundle(bundle: Path, data: DataSet, output: Path) -> tuple[TrainConfig, Difference]:
    """Writes weights for `--init-weights`.

    Args:
        bundle: its folder or ONNX file, in fp32.
        data: people, for a detector pictures, that give the statistics of the batch normalisations
            and on which the rebuilt network must answer as the bundle does.
        output: a file whose name ends in `.weights.h5`.

    Returns:
        The configuration that the network was rebuilt with, and how far its answers are from the
        bundle's.

    Raises:
        InvalidBundle: the file or its card is not valid.
        InvalidData: the bundle cannot be turned back, or the data cannot be used.
    """
    require_weights_name(output)
    file = onnx_file(bundle)
    if file is None:
        raise InvalidData(
            f"bundle: {bundle} is a run; its weights can be used as they are: "
            f"--init-weights {bundle / 'best.weights.h5'}"
        )
    session = open_model(file, "cpu")
    config = _configuration(session.card)
    inputs = draw_inputs(session.card, [read_coco(data)], _INPUTS)
    network = empty_network(config, session.card.skeleton)
    load_graph(network, config, _onnx.load(file).graph)
    unfold(network, inputs)
    rebuilt = KerasSession([with_decoder(network, config)], session.card)
    try:
        difference = check_parity(session, rebuilt, inputs)
    except InvalidBundle as error:
        raise InvalidData(
            f"bundle: {session.card.reference} was made by another version of the code, whose "
            f"network this one does not rebuild: {error}"
        ) from error
    network.save_weights(output)
    return config, difference


def _configuration(card: ModelCard) -> TrainConfig:
    if card.conversion is not None:
        raise InvalidData(
            f"bundle: {card.reference} is in {card.precision}, whose rounded weights are no start "
            f"for training; give {card.conversion.source}, from which it was made"
        )
    if not card.config:
        raise InvalidData(
            f"bundle: the card of {card.reference} holds no configuration of training, so that its "
            "network cannot be rebuilt"
        )
    try:
        return TrainConfig.model_validate(card.config)
    except ValidationError as error:
        raise InvalidData(
            f"bundle: {card.reference} was made by another version of the code; in the "
            f"configuration of its card: {first_problem(error)}"
        ) from error
