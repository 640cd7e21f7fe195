"""What a loss must know when the batch is divided among several devices."""

from typing import Any

import keras


def mean_over_replicas(value: Any) -> Any:
    """The mean of a value that each TensorFlow replica has for its part of the batch.

    A loss that divides by this mean of what it counts, instead of by its own part's count, has the
    whole batch's gradient as the mean of the parts' gradients. JAX computes the whole batch as one.
    """
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)
