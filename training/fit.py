"""The verb `train`: data and configuration in, a run folder out."""

from collections.abc import Sequence
from pathlib import Path

from service.inference.card import Skeleton
from training.checkpoint import Position, last_position, restore_checkpoint
from training.config import TrainConfig
from training.data.batches import Samples, TrainingBatches
from training.data.coco import (
    CocoFile,
    common_skeleton,
    people,
    pictures,
    read_coco,
    require_joints,
)
from training.data.detection import DetectionSamples
from training.data.keypoints import KeypointSamples
from training.data.sets import doubts
from training.data.stream import stream
from training.failures import explained
from training.learning.learner import Learner, make_learner
from training.loop import Loop
from training.notices import warn
from training.run import Run, create_run
from training.stopping import StopRequest
from training.validation import Validation


def train(config: TrainConfig, output: Path, *, max_minutes: float | None = None) -> Run:
    """Trains a network into a new run folder.

    Args:
        config: of the run.
        output: its folder, which must be new; with several hosts, one that all of them see.
        max_minutes: after which it saves and ends; None for never.

    Raises:
        Stopped: before the last epoch, with a checkpoint: by a signal, or its time was up.
        InvalidData: the data, the configuration or the run folder cannot be used, or the loss
            stopped being a number.
        TrainingFailed: memory did not suffice, or another host was lost.
    """
    files = [read_coco(data) for data in config.data.train]
    skeleton = common_skeleton(files) if config.task == "keypoints" else None
    # Before the folder is made, so that a mistake in the configuration leaves nothing behind.
    batches = make_batches(files, config, skeleton)
    val_files = read_validation(config, skeleton)
    learner = make_learner(config, skeleton)
    run = Run(output, config, skeleton)
    if learner.is_chief:
        create_run(output, config, skeleton)
    for doubt in doubts(files, val_files):
        warn(doubt)
    _fit(run, learner, batches, val_files, Position(), max_minutes)
    return run


def resume(run: Run, *, max_minutes: float | None = None) -> Run:
    """Goes on with a run from its last checkpoint.

    It sees the samples, augmentation and learning rates that an uninterrupted run would have seen.

    Raises:
        As `train`.
    """
    config = run.config
    files = [read_coco(data) for data in config.data.train]
    batches = make_batches(files, config, run.skeleton)
    val_files = read_validation(config, run.skeleton)
    if last_position(run.checkpoints).step:
        # The files that the run started from may be gone.
        config = config.model_copy(update={"backbone_weights": "none", "init_weights": None})
    learner = make_learner(config, run.skeleton)
    position = restore_checkpoint(run.checkpoints, learner.network, learner.optimizer)
    _fit(run, learner, batches, val_files, position, max_minutes)
    return run


def make_samples(coco: CocoFile, config: TrainConfig, skeleton: Skeleton | None) -> Samples:
    """The samples of one file for the network's task."""
    if skeleton is None:
        return DetectionSamples(pictures(coco), config)
    return KeypointSamples(people(coco), config, skeleton)


def make_batches(
    files: Sequence[CocoFile], config: TrainConfig, skeleton: Skeleton | None
) -> TrainingBatches:
    """The batches of a run over all files.

    Raises:
        InvalidData: a file has no labelled samples.
    """
    return TrainingBatches([make_samples(coco, config, skeleton) for coco in files], config)


def read_validation(config: TrainConfig, skeleton: Skeleton | None) -> list[CocoFile]:
    """The files to measure on.

    Raises:
        InvalidData: one cannot be read, or has other keypoints than the network.
    """
    files = [read_coco(data) for data in config.data.val]
    for coco in files:
        if skeleton is not None:
            require_joints(coco, skeleton, "the training set")
    return files


def _fit(
    run: Run,
    learner: Learner,
    batches: TrainingBatches,
    val_files: Sequence[CocoFile],
    position: Position,
    max_minutes: float | None,
) -> None:
    config = run.config
    steps = range(position.step, config.steps_per_epoch * config.epochs)
    with StopRequest(max_minutes) as stop, explained(learner, config):
        loop = Loop(run, learner, position, stop, batches.on_epoch_end)
        validation = Validation(run, val_files, loop.check) if learner.is_chief else None
        with stream(
            lambda step: batches.batch(step, learner.rows), steps, config.data.workers
        ) as made:
            loop.run(made, validation)
