"""Measures a network during training with the code that measures exported bundles."""

from collections.abc import Mapping, Sequence

import keras

from service.inference.card import Skeleton
from training.config import TrainConfig
from training.data.coco import CocoFile
from training.evaluate import evaluate_alone
from training.keras_session import KerasSession, provisional_card
from training.networks.build import with_decoder


def evaluate_network(
    network: keras.Model,
    config: TrainConfig,
    skeleton: Skeleton | None,
    files: Sequence[CocoFile],
) -> Mapping[str, float]:
    """The COCO figures of a network with its present weights, averaged over the files."""
    session = KerasSession(with_decoder(network, config), provisional_card(config, skeleton))
    results = [evaluate_alone(session, coco).metrics for coco in files]
    return {name: sum(result[name] for result in results) / len(results) for name in results[0]}
