"""A network that learns batch by batch, whatever computes it."""

import os
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels
from training.config import TrainConfig
from training.learning.precision import computing_in
from training.losses import network_loss
from training.networks.build import build_network
from training.schedule import learning_rates

Loss = Callable[[Any, Any], Any]


class Learner(Protocol):
    """A network, its optimizer and one step.

    Attributes:
        network: float32 weights; holds the newest ones only after `synchronise`.
        optimizer: likewise.
        replicas: devices that divide a batch, on all hosts.
        rows: of each batch that this process takes.
        is_chief: whether this process, among those of several hosts, measures and writes.
        workers: processes that train together.
        out_of_memory: what the backend raises when a device's memory does not suffice.
        lost_worker: what it raises when another host's process ended.
    """

    network: keras.Model
    optimizer: keras.optimizers.Optimizer
    replicas: int
    rows: slice
    is_chief: bool
    workers: int
    out_of_memory: tuple[type[Exception], ...]
    lost_worker: tuple[type[Exception], ...]

    def learn(self, images: Pixels, targets: Floats) -> Any:
        """One step on this process's rows of a batch; gives the batch's loss, perhaps not yet."""
        ...

    def synchronise(self) -> None:
        """Puts the newest values into the variables of network and optimizer."""
        ...

    def any_worker(self, wish: bool) -> bool:  # noqa: FBT001 - a vote, not an option
        """Whether some process has the wish; every process must ask at the same step."""
        ...


def make_learner(config: TrainConfig, skeleton: Skeleton | None) -> Learner:
    """The network with its starting weights, ready to learn.

    Raises:
        InvalidData: the configuration does not fit the backend, the devices or the weights.
    """
    match keras.backend.backend():
        case "tensorflow":
            from training.learning.on_tensorflow import TensorFlowLearner

            return TensorFlowLearner(config, skeleton)
        case "jax":
            if "TF_CONFIG" in os.environ:
                raise InvalidData("TF_CONFIG: several hosts train with KERAS_BACKEND=tensorflow")
            from training.learning.on_jax import JaxLearner

            return JaxLearner(config, skeleton)
        case other:
            raise InvalidData(f"KERAS_BACKEND is {other}; expected tensorflow or jax")


def build(
    config: TrainConfig, skeleton: Skeleton | None, replicas: int
) -> tuple[keras.Model, keras.optimizers.Optimizer, Loss]:
    """Network, optimizer with its variables, and loss, for gradients divided by `replicas`."""
    keras.utils.set_random_seed(config.seed)
    with computing_in(config.precision):
        network = build_network(config, skeleton)
    settings = config.optimizer
    optimizer = keras.optimizers.AdamW(
        learning_rates(settings, config.steps_per_epoch * config.epochs),
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm / replicas,
        use_ema=settings.ema_momentum > 0,
        ema_momentum=settings.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if config.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return network, optimizer, network_loss(config, network, skeleton)


def averaged_weights(learner: Learner) -> list[Floats]:
    """The network's weights, those that train as the optimizer's moving averages.

    Call `synchronise` before.
    """
    averages = [v for v in learner.optimizer.variables if v.path.endswith("_average")]
    trained = learner.network.trainable_variables
    by_variable = {
        id(variable): average for variable, average in zip(trained, averages, strict=False)
    }
    return [np.asarray(by_variable.get(id(v), v)) for v in learner.network.weights]


def check_divisible(batch_size: int, replicas: int) -> None:
    """Refuses a batch that the devices cannot divide evenly.

    Raises:
        InvalidData: the batch size is not a multiple of the number of devices.
    """
    if batch_size % replicas:
        raise InvalidData(
            f"batch_size {batch_size} is not a multiple of the {replicas} devices; change it, "
            "or choose devices = one"
        )
