"""A Keras network that answers like an exported file, so that the same code measures both."""

from collections.abc import Sequence
from typing import cast

import keras
import numpy as np
import numpy.typing as npt

from service.inference.card import ModelCard, Skeleton
from service.inference.errors import InvalidInput
from service.inference.signature import shapes_of
from training.config import TrainConfig
from training.networks.build import with_decoder
from training.notices import only_errors_of
from training.run import Run, at_all_sizes


class KerasSession:
    """Implements `service.inference.session.Session`; not for several threads at once.

    Args:
        models: for each size of the input the network with its decoder: uint8 `[N, H, W, 3]` →
            dict of outputs as in the bundle's contract.
        card: what the exported file would say.
        batch_size: at most so many pictures per step.
    """

    def __init__(
        self, models: Sequence[keras.Model], card: ModelCard, *, batch_size: int = 32
    ) -> None:
        for model in models:
            # XLA on the CPU is many times slower, and compiles again for every batch size.
            model.jit_compile = keras.backend.backend() != "tensorflow"
        self._models = {tuple(model.input.shape[1:]): model for model in models}
        self._card = card
        self._batch_size = batch_size

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def provider(self) -> str:
        return f"Keras ({keras.backend.backend()})"

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        """The network's outputs for uint8 RGB `[N, H, W, 3]`.

        Raises:
            InvalidInput: the array is not of a size of the network, or empty.
        """
        if image.ndim != 4 or image.shape[1:] not in self._models or not len(image):
            raise InvalidInput(
                f"image has shape {list(image.shape)}, expected {shapes_of(self._card.sizes)}"
            )
        batches = [
            self._predict(image[start : start + self._batch_size])
            for start in range(0, len(image), self._batch_size)
        ]
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    def _predict(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        model = self._models[image.shape[1:]]
        # It traces each size of pictures and batches once, and warns that this be slow.
        with only_errors_of("tensorflow"):
            outputs = cast("dict[str, npt.ArrayLike]", model.predict_on_batch(image))
        return {name: np.asarray(value, np.float32) for name, value in outputs.items()}


def session_of_run(run: Run, network: keras.Model, card: ModelCard) -> KerasSession:
    """A run's network at all sizes of its input, with its decoder; the weights are copied."""
    networks = at_all_sizes(network, run.config, run.skeleton)
    return KerasSession([with_decoder(one, run.config) for one in networks], card)


def provisional_card(config: TrainConfig, skeleton: Skeleton | None) -> ModelCard:
    """The card of a network that is not exported yet: what it takes and answers, no metrics."""
    pose = config.task == "keypoints"
    return ModelCard(
        name=config.model_name,
        version=config.model_version,
        task=config.task,
        input=config.input,
        other_inputs=config.other_inputs,
        crop_padding=config.crop_padding if pose else None,
        skeleton=skeleton if pose else None,
        recipe=config.recipe,
        config={},
        data=(),
        metrics={},
    )
