"""What a run would be, need and take, without starting it."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from training.config import TrainConfig
from training.data.batches import TrainingBatches
from training.data.coco import CocoFile, common_skeleton, people, pictures, read_coco
from training.data.stream import AHEAD, stream
from training.failures import explained
from training.fit import make_batches, read_validation
from training.learning.learner import Learner, make_learner
from training.toml_text import to_toml

_GIB = 2**30
_WARM_UP, _STEPS = 2, 10
_ENOUGH_S = 30
_ITEM_BYTES = {"uint8": 1, "bool": 1, "float16": 2, "bfloat16": 2, "int64": 8, "float64": 8}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run needs.

    Attributes:
        parameters: of the network.
        trained: of them.
        state_bytes: weights, their gradients and what the optimizer keeps, on each device.
        activation_bytes: outputs of all layers for a device's part of a batch, which the backward
            pass needs; a compiler may keep less, convolutions may ask for more for a moment.
        step_s: seconds per step, samples included.
        devices: that divide a batch.
    """

    parameters: int
    trained: int
    state_bytes: int
    activation_bytes: int
    step_s: float
    devices: int


def dry_run(config: TrainConfig) -> str:
    """The resolved configuration as TOML, with data, memory and time as comments.

    Raises:
        InvalidData: what `train` would refuse before its first step.
        TrainingFailed: memory did not suffice for a step.
    """
    files = [read_coco(data) for data in config.data.train]
    skeleton = common_skeleton(files) if config.task == "keypoints" else None
    batches = make_batches(files, config, skeleton)
    val_files = read_validation(config, skeleton)
    learner = make_learner(config, skeleton)
    with explained(learner, config):
        step_s = _time_steps(learner, batches, config.data.workers)
    sets = [*(("data.train", coco) for coco in files), *(("data.val", coco) for coco in val_files)]
    lines = [
        *(f"{role}: {_count(coco)}" for role, coco in sets),
        *_describe(config, _estimate(config, learner, step_s)),
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n" + to_toml(config)


def _count(coco: CocoFile) -> str:
    persons, photographs = len(people(coco)), len(pictures(coco))
    return f"{coco.path}: {persons} people with joints, {photographs} pictures"


def _time_steps(learner: Learner, batches: TrainingBatches, workers: int) -> float:
    """Seconds per step once the network is compiled and no batch waits any more."""
    ahead = workers + AHEAD
    numbers = range(_WARM_UP + ahead + _STEPS)
    with stream(lambda n: batches.batch(n, learner.rows), numbers, workers) as made:
        for _ in range(_WARM_UP):
            float(learner.learn(*next(made)))
        for _ in range(ahead):
            next(made)
        started = time.monotonic()
        done = 0
        while done < _STEPS and time.monotonic() - started < _ENOUGH_S:
            float(learner.learn(*next(made)))
            done += 1
        return (time.monotonic() - started) / done


def _estimate(config: TrainConfig, learner: Learner, step_s: float) -> Estimate:
    learner.synchronise()
    network = learner.network
    trained = network.trainable_variables
    # A gradient for each trained weight.
    variables = [*network.variables, *learner.optimizer.variables, *trained]
    rows = config.batch_size // learner.replicas
    return Estimate(
        parameters=network.count_params(),
        trained=sum(math.prod(variable.shape) for variable in trained),
        state_bytes=sum(_bytes(variable.shape, variable.dtype) for variable in variables),
        activation_bytes=rows * _activation_bytes(network),
        step_s=step_s,
        devices=learner.replicas,
    )


def _activation_bytes(network: keras.Model) -> int:
    """Of the outputs of all layers for one picture."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += _activation_bytes(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            outputs: list[Any] = keras.tree.flatten(layer.output)
            total += sum(_bytes(output.shape[1:], output.dtype) for output in outputs)
    return total


def _bytes(shape: Sequence[int], dtype: str) -> int:
    return math.prod(shape) * _ITEM_BYTES.get(dtype, 4)


def _describe(config: TrainConfig, estimate: Estimate) -> list[str]:
    steps = config.steps_per_epoch * config.epochs
    needed = (estimate.state_bytes + estimate.activation_bytes) / _GIB
    devices = "1 device" if estimate.devices == 1 else f"{estimate.devices} devices"
    return [
        f"network: {estimate.parameters:,} parameters, {estimate.trained:,} of them trained",
        f"steps: {config.steps_per_epoch} per epoch, {steps:,} in all, batches of "
        f"{config.batch_size} on {devices}",
        f"memory of a device: about {needed:.2f} GiB: {estimate.state_bytes / _GIB:.2f} GiB for "
        f"weights, gradients and optimizer, {estimate.activation_bytes / _GIB:.2f} GiB for the "
        "outputs of all layers",
        f"time: about {_duration(steps * estimate.step_s)} at {estimate.step_s:.3f} s per step "
        f"({config.batch_size / estimate.step_s:.1f} samples/s, measured here with the input "
        "pipeline), without the measurements after epochs",
    ]


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
