"""The numbers that a network computes with while it trains."""

from collections.abc import Generator
from contextlib import contextmanager

import keras

from training.config import Precision


@contextmanager
def computing_in(precision: Precision) -> Generator[None]:
    """Layers that are made within it compute in this precision; their weights are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
