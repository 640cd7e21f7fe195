"""A step with JAX, on one device or on all of a host."""

from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from service.inference.card import Skeleton
from service.inference.types import Floats, Pixels
from training.config import TrainConfig
from training.learning.learner import build, check_divisible

_State = tuple[list[Any], list[Any], list[Any]]


class JaxLearner:
    """Implements `Learner`.

    The state travels from step to step outside the variables, which keeps the devices busy. With
    several devices the weights are on each and the compiler divides the batch.
    """

    def __init__(self, config: TrainConfig, skeleton: Skeleton | None) -> None:
        devices = jax.local_devices()[: 1 if config.devices == "one" else None]
        self.replicas, self.workers, self.is_chief = len(devices), 1, True
        check_divisible(config.batch_size, self.replicas)
        self.rows = slice(0, config.batch_size)
        self.out_of_memory = (jax.errors.JaxRuntimeError,)
        self.lost_worker = ()
        mesh = jax.sharding.Mesh(np.array(devices), ("batch",))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._divided = NamedSharding(mesh, PartitionSpec("batch"))
        self.network, self.optimizer, self._loss = build(config, skeleton, 1)
        self._state: _State | None = None
        self._step = jax.jit(
            self._compute, donate_argnums=0, out_shardings=(self._everywhere, self._everywhere)
        )

    def learn(self, images: Pixels, targets: Floats) -> Any:
        if self._state is None:
            values = [[v.value for v in group] for group in self._variables()]
            self._state = jax.device_put(tuple(values), self._everywhere)
        batch = jax.device_put((images, targets), self._divided)
        self._state, loss = self._step(self._state, *batch)
        return loss

    def synchronise(self) -> None:
        if self._state is None:
            return
        for group, values in zip(self._variables(), self._state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        # The next step takes the memory of these values for its own.
        self._state = None

    def any_worker(self, wish: bool) -> bool:  # noqa: FBT001 - a vote, not an option
        return wish

    def _variables(self) -> tuple[list[Any], list[Any], list[Any]]:
        network = self.network
        return (
            network.trainable_variables,
            network.non_trainable_variables,
            self.optimizer.variables,
        )

    def _compute(self, state: _State, images: Any, targets: Any) -> tuple[_State, Any]:
        trained, others, optimizer = state

        def objective(trained: list[Any]) -> tuple[Any, tuple[Any, list[Any]]]:
            logits, after, extra = self.network.stateless_call(
                trained, others, images, training=True, return_losses=True
            )
            loss = self._loss(targets, logits) + sum(extra)
            return self._scaled(loss, optimizer), (loss, after)

        gradient = jax.value_and_grad(objective, has_aux=True)
        (_, (loss, others)), gradients = gradient(trained)
        trained, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trained)
        return (trained, others, optimizer), loss

    def _scaled(self, loss: Any, values: list[Any]) -> Any:
        """For float16 by a factor that the optimizer's state holds."""
        mapping = list(zip(self.optimizer.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return self.optimizer.scale_loss(loss)
