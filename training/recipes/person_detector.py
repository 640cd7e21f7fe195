"""The person detector: a picture to boxes around people."""

from service.inference.card import InputSize
from training.codecs.config import CenterNetCodec
from training.config import AugmentConfig, OptimizerConfig, TrainConfig
from training.networks.config import BackboneConfig, DenseHead, PyramidNeck

_TAPS = ("block_16_project_BN", "block_13_expand_relu", "block_6_expand_relu")
"""Without MobileNetV2's last convolution, of which `deep_channels` keeps a part."""


def person_detector() -> TrainConfig:
    """MobileNetV2 with a feature pyramid, centres and box sides at stride 8, 288x288.

    A picture that is not square is shown at 256x320 or 320x256.

    Command: `python -m training train --recipe person-detector --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/person-detector`. On a CPU start with
    `--backbone.frozen` and continue from that run's weights with `--init-weights`.

    Cost: 2.16 M parameters, 0.63 G multiply-adds at each size.

    Reached: from ImageNet weights not yet trained here; box AP of the shipped one, which started
    from a published detector's backbone, in `docs/training-log.md`.

    Source: Zhou et al. 2019, Objects as Points; Liu et al. 2020, Training-Time-Friendly Network.
    """
    return TrainConfig(
        recipe="person-detector",
        task="detection",
        input=InputSize(height=288, width=288),
        oblong_inputs=True,
        backbone=BackboneConfig(taps=_TAPS),
        neck=PyramidNeck(
            channels=(96, 96, 96), deep_channels=352, refine_blocks=1, refine_expansion=3
        ),
        head=DenseHead(channels=96),
        codec=CenterNetCodec(stride=8),
        augment=AugmentConfig(scale=0.7, mosaic_probability=0.3),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        batch_size=16,
        epochs=40,
        epoch_samples=4096,
        model_name="person-detector",
    )


def person_detector_debug() -> TrainConfig:
    """The same line in seconds on a CPU, for tests: 96x96, untrained narrow backbone.

    Command: `python -m training train --recipe person-detector-debug --data.train TRAIN.json
    --data.val VAL.json --output runs/debug`.
    """
    return person_detector().model_copy(
        update={
            "recipe": "person-detector-debug",
            "input": InputSize(height=96, width=96),
            "backbone": BackboneConfig(alpha=0.35, taps=_TAPS, batch_norm_momentum=0.9),
            "backbone_weights": "none",
            "neck": PyramidNeck(channels=(16, 16, 16)),
            "head": DenseHead(channels=16),
            "optimizer": OptimizerConfig(learning_rate=3e-3, ema_momentum=0.9),
            "batch_size": 4,
            "epochs": 2,
            "epoch_samples": 16,
            "model_name": "person-detector-debug",
        }
    )
