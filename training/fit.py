"""The verb `train`: data and configuration in, a run folder out."""

from collections.abc import Mapping
from pathlib import Path

import keras

from service.inference.card import Skeleton
from service.inference.errors import InvalidData
from training.callbacks import Progress, SaveCheckpoint, StartEpoch, Validate
from training.config import TrainConfig
from training.data.batches import Samples, TrainingBatches
from training.data.coco import CocoFile, common_skeleton, people, pictures, read_coco
from training.data.detection import DetectionSamples
from training.data.keypoints import KeypointSamples
from training.losses import network_loss
from training.networks.build import build_network
from training.run import Run, create_run, open_run
from training.schedule import learning_rates
from training.validation import evaluate_network


def train(config: TrainConfig, output: Path) -> Run:
    """Trains a network into a new run folder.

    Raises:
        InvalidData: the data, the configuration or the run folder cannot be used, or the loss
            stopped being a number.
    """
    files = [read_coco(data) for data in config.data.train]
    skeleton = common_skeleton(files) if config.task == "keypoints" else None
    keras.utils.set_random_seed(config.seed)
    # Before the folder is made, so that a mistake in the configuration leaves nothing behind.
    model = compile_network(config, skeleton)
    run = create_run(output, config, skeleton)
    _fit(run, model, files, best=float("-inf"))
    return run


def resume(folder: Path) -> Run:
    """Goes on with a run from its last checkpoint, with its own configuration.

    It sees the samples, augmentation and learning rates that an uninterrupted run would have seen.

    Raises:
        InvalidData: as `train`, or the folder holds no run.
    """
    run = open_run(folder)
    files = [read_coco(data) for data in run.config.data.train]
    keras.utils.set_random_seed(run.config.seed)
    model = compile_network(run.config, run.skeleton)
    best = run.restore_checkpoint(model) if run.epochs_done() else float("-inf")
    _fit(run, model, files, best)
    return run


def make_samples(coco: CocoFile, config: TrainConfig, skeleton: Skeleton | None) -> Samples:
    """The samples of one file for the network's task."""
    if skeleton is None:
        return DetectionSamples(pictures(coco), config)
    return KeypointSamples(people(coco), config, skeleton)


def compile_network(config: TrainConfig, skeleton: Skeleton | None) -> keras.Model:
    """The network with loss and optimizer, its optimizer's variables built."""
    model = build_network(config, skeleton)
    settings = config.optimizer
    optimizer = keras.optimizers.AdamW(
        learning_rates(settings, config.steps_per_epoch * config.epochs),
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema_momentum > 0,
        ema_momentum=settings.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=network_loss(config, model))
    return model


def _fit(run: Run, model: keras.Model, files: list[CocoFile], best: float) -> None:
    config = run.config
    sets = [
        (make_samples(coco, config, run.skeleton), data.weight)
        for coco, data in zip(files, config.data.train, strict=True)
    ]
    batches = TrainingBatches(sets, config)
    val_files = [read_coco(data) for data in config.data.val]

    def measure(network: keras.Model) -> Mapping[str, float]:
        return evaluate_network(network, config, run.skeleton, val_files)

    log = keras.callbacks.CSVLogger(str(run.folder / "log.csv"), append=True)
    validate = Validate(run, measure if val_files else None, best)
    callbacks = [
        StartEpoch(batches),
        keras.callbacks.TerminateOnNaN(raise_error=True),
        validate,
        SaveCheckpoint(run, validate),
        log,
        Progress(config, run.epochs_done()),
    ]
    if keras.backend.backend() == "tensorflow":
        callbacks.append(keras.callbacks.TensorBoard(str(run.folder / "tensorboard")))
    try:
        model.fit(
            batches,
            epochs=config.epochs,
            initial_epoch=run.epochs_done(),
            callbacks=callbacks,
            # The batches have their own order, which a resumed run must meet again.
            shuffle=False,
            verbose=0,
        )
    except RuntimeError as error:
        if "NaN" not in str(error):
            raise
        raise InvalidData(
            f"loss: not a number in epoch {run.epochs_done() + 1}; the checkpoint before it is "
            f"kept. Lower optimizer.learning_rate ({config.optimizer.learning_rate}) or check the "
            "labels with check-data"
        ) from error
    finally:
        # Keras closes it only at a regular end.
        log.on_train_end()
