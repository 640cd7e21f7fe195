"""A step with TensorFlow: on one device, on several, or on several hosts.

`keras.Model.fit` of Keras 3.15 does not train with `MultiWorkerMirroredStrategy`
(keras-team/keras#20585) and clips each replica's gradient before it sums them, so the step is ours.
"""

import os
from typing import Any

import keras
import tensorflow as tf

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from service.inference.types import Floats, Pixels
from training.config import Devices, TrainConfig
from training.learning.learner import build, check_divisible


class TensorFlowLearner:
    """Implements `Learner`.

    Each replica computes its part of the batch. Gradients, loss and the statistics of batch
    normalisation are those of the whole batch, so the number of devices changes rounding only.
    """

    def __init__(self, config: TrainConfig, skeleton: Skeleton | None) -> None:
        self._strategy = _strategy(config.devices)
        self.replicas = int(self._strategy.num_replicas_in_sync)
        check_divisible(config.batch_size, self.replicas)
        ids = self._local_replicas()
        self._first, self._local = ids[0], len(ids)
        self.workers = self.replicas // self._local
        index = self._first // self._local
        self.is_chief = index == 0
        share = config.batch_size // self.workers
        self.rows = slice(index * share, (index + 1) * share)
        self.out_of_memory = (tf.errors.ResourceExhaustedError,)
        self.lost_worker = (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.InternalError,
        )
        with self._strategy.scope():
            self.network, self.optimizer, self._loss = build(config, skeleton, self.replicas)
        if self.replicas > 1:
            _share_batch_statistics(self.network)
        # Keras knows where XLA helps: not on CPUs, not with replicas, not with some layers.
        compiled = bool(self.network.jit_compile) and self.replicas == 1
        self._step = tf.function(self._batch, jit_compile=compiled, reduce_retracing=True)
        self._votes = tf.function(self._count_votes)

    def learn(self, images: Pixels, targets: Floats) -> Any:
        return self._step(self._divide(images), self._divide(targets))

    def synchronise(self) -> None:
        """Its variables always hold the newest values."""

    def any_worker(self, wish: bool) -> bool:  # noqa: FBT001 - a vote, not an option
        if self.workers == 1:
            return wish
        return float(self._votes(tf.constant(float(wish)))) > 0

    def _local_replicas(self) -> list[int]:
        """The numbers of this process's replicas, among those of all."""
        ids: list[int] = []

        def note(context: Any) -> Any:
            ids.append(int(context.replica_id_in_sync_group))
            return tf.constant(0)

        self._strategy.experimental_distribute_values_from_function(note)
        return sorted(ids)

    def _batch(self, images: Any, targets: Any) -> Any:
        losses = self._strategy.run(self._replica, args=(images, targets))
        return self._strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    def _replica(self, images: Any, targets: Any) -> Any:
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._loss(targets, self.network(images, training=True))
            loss += sum(self.network.losses)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        if self.replicas > 1:
            # Before the optimizer, which sums them too late: after clipping, and after it looked
            # for overflows. Its sum is undone by the division.
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
            gradients = [gradient / self.replicas for gradient in gradients]
        self.optimizer.apply(gradients, variables)
        return loss

    def _count_votes(self, vote: Any) -> Any:
        votes = self._strategy.run(lambda: vote)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)

    def _divide(self, rows: Any) -> Any:
        """The same for one replica, else a part for each of this process's."""
        if self.replicas == 1:
            return tf.constant(rows)
        share = len(rows) // self._local

        def part(context: Any) -> Any:
            start = (int(context.replica_id_in_sync_group) - self._first) * share
            return tf.constant(rows[start : start + share])

        return self._strategy.experimental_distribute_values_from_function(part)


def _strategy(devices: Devices) -> Any:
    if "TF_CONFIG" in os.environ:
        if devices == "one":
            raise InvalidData("devices: one contradicts TF_CONFIG, which names several hosts")
        return _several_hosts()
    names = [device.name for device in tf.config.list_logical_devices("GPU")]
    names = names or [device.name for device in tf.config.list_logical_devices("CPU")]
    if devices == "one" or len(names) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(names)


def _several_hosts() -> Any:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, KeyError) as error:
        raise InvalidData(f"TF_CONFIG: {error}") from error


def _share_batch_statistics(network: keras.Model) -> None:
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
        elif isinstance(layer, keras.Model):
            _share_batch_statistics(layer)
