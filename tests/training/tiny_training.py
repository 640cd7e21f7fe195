"""Training with a network of three layers, so that tests of running are not about networks.

`python -m tests.training.tiny_training VERB ...` is the command line with that network.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from unittest import mock

import keras
from keras import layers

from service.inference.card import Skeleton
from training.config import DataSet, TrainConfig
from training.recipes import recipe

StickPeople = Callable[..., DataSet]


def tiny_network(config: TrainConfig, skeleton: Skeleton) -> keras.Model:
    """Everything that has a state of its own: weights, batch statistics, random numbers."""
    size = config.input
    image = keras.Input((size.height, size.width, 3), dtype="uint8")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 5, strides=4, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.ReLU()(x)
    x = layers.Dropout(float(os.environ.get("TINY_DROPOUT", "0.1")))(x)
    logits = layers.Conv2D(len(skeleton.names), 1, dtype="float32", name="logits")(x)
    return keras.Model(image, logits)


@contextmanager
def tiny_networks() -> Iterator[None]:
    with (
        mock.patch("training.learning.learner.build_network", tiny_network),
        mock.patch("training.run.build_network", tiny_network),
    ):
        yield


@contextmanager
def signal_at(step: int, number: signal.Signals) -> Iterator[None]:
    """This process sends itself a signal while it learns the given step, counted from 1."""
    from training import fit

    make = fit.make_learner

    def make_learner(*arguments: object) -> object:
        learner = make(*arguments)
        learn, steps = learner.learn, count(1)

        def learn_and_signal(*batch: object) -> object:
            if next(steps) == step:
                os.kill(os.getpid(), number)
            return learn(*batch)

        learner.learn = learn_and_signal
        return learner

    with mock.patch.object(fit, "make_learner", make_learner):
        yield


def tiny_config(train: DataSet, val: DataSet | None = None, **changes: object) -> TrainConfig:
    """Three epochs of four batches of four."""
    start = recipe("mobilenetv2-heatmap-debug")
    data = start.data.model_copy(
        update={"train": (train,), "val": () if val is None else (val,), "workers": 1}
    )
    defaults = {"data": data, "batch_size": 4, "epoch_samples": 16, "epochs": 3}
    return start.model_copy(update=defaults | changes)


def tiny_flags(config: TrainConfig, output: Path) -> list[str]:
    """The same run from the command line."""
    flags = ["--recipe", "mobilenetv2-heatmap-debug", "--output", str(output)]
    for kind, sets in (("train", config.data.train), ("val", config.data.val)):
        for data in sets:
            flags += [f"--data.{kind}", f"{data.annotations}:{data.images}"]
    numbers = ("batch_size", "epoch_samples", "epochs")
    for name in numbers:
        flags += [f"--{name.replace('_', '-')}", str(getattr(config, name))]
    return [*flags, "--data.workers", "1"]


if __name__ == "__main__":
    from training.cli import main

    with tiny_networks():
        if "TINY_KILL_AT" in os.environ:
            with signal_at(int(os.environ["TINY_KILL_AT"]), signal.SIGKILL):
                sys.exit(main())
        sys.exit(main())
