"""Recipes with two classifications per joint instead of maps."""

from service.inference.card import InputSize
from training.codecs.config import SimccCodec
from training.config import (
    AugmentConfig,
    FlatCosineSchedule,
    OptimizerConfig,
    StepsSchedule,
    TrainConfig,
)
from training.networks.config import BackboneConfig, SimccHead

_RTMPOSE_BATCH, _BATCH = 1024, 64


def mobilenetv2_simcc() -> TrainConfig:
    """MobileNetV2 with RTMPose's head: attention among joints, two classifications, 256x192.

    Command: `python -m training train --recipe mobilenetv2-simcc --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/mobilenetv2-simcc`. RTMPose sees each of
    COCO's 149,813 people 420 times in batches of 1,024: `--epoch-samples 149813`.

    Cost: 3.99 M parameters, 0.36 G multiply-adds.

    Reached: not yet trained here at 256x192. At 128x96, from the shipped network's backbone, AP
    0.157 after 24,576 samples: commands in `docs/training-log.md`. From few samples heatmaps learn
    more.

    Source: Jiang et al. 2023, RTMPose; Li et al. 2022, SimCC (whose labels these are: RTMPose
    sharpens them); Sandler et al. 2018.
    """
    return _rtmpose("mobilenetv2", backbone="mobilenetv2")


def mobilenetv3_simcc() -> TrainConfig:
    """MobileNetV3-Large with RTMPose's head, 256x192.

    Command: `python -m training train --recipe mobilenetv3-simcc --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/mobilenetv3-simcc`. Schedule as for
    `mobilenetv2-simcc`.

    Cost: 4.46 M parameters, 0.26 G multiply-adds.

    Reached: not yet trained here.

    Source: Jiang et al. 2023, RTMPose; Li et al. 2022, SimCC; Howard et al. 2019, MobileNetV3.
    """
    return _rtmpose("mobilenetv3", backbone="mobilenetv3large")


def efficientnet_lite0_simcc() -> TrainConfig:
    """EfficientNet-Lite0, which quantises well, with RTMPose's head, 256x192.

    Command: `python -m training train --recipe efficientnet-lite0-simcc --data.train TRAIN.json
    --data.val VAL.json --backbone-weights efficientnet_lite0_notop.keras --output runs/lite0-simcc`
    (Keras has no weights of it to download). Schedule as for `mobilenetv2-simcc`.

    Cost: 5.15 M parameters, 0.44 G multiply-adds.

    Reached: not yet trained here.

    Source: Jiang et al. 2023, RTMPose; Li et al. 2022, SimCC; Tan and Le 2019, EfficientNet.
    """
    return _rtmpose("efficientnet-lite0", backbone="efficientnet-lite0")


def resnet50_simcc() -> TrainConfig:
    """ResNet-50 with two classifications per joint, 256x192.

    Command: `python -m training train --recipe resnet50-simcc --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/resnet50-simcc`. Published is a schedule of
    210 passes over COCO's 149,813 people in batches of 512: `--epoch-samples 149813`.

    Cost: 25.96 M parameters, 3.87 G multiply-adds.

    Reached: not yet trained here. Published is AP 0.721, for a head of transposed convolutions.

    Source: Li et al. 2022, SimCC; Jiang et al. 2023, RTMPose (the head); He et al. 2016.
    """
    return TrainConfig(
        recipe="resnet50-simcc",
        task="keypoints",
        input=InputSize(height=256, width=192),
        backbone=BackboneConfig(name="resnet50", batch_norm_momentum=0.9),
        head=SimccHead(),
        codec=SimccCodec(bins_per_px=2, sigma_px=3),
        augment=AugmentConfig(
            scale=0.5,
            rotation_deg=80,
            shift=0.16,
            half_body_probability=0.3,
            occlusion_probability=0,
            colour=0,
        ),
        weak_fraction=0,
        optimizer=OptimizerConfig(
            learning_rate=1e-3 * (_BATCH / 512) ** 0.5,
            schedule=StepsSchedule(warmup_fraction=0.01, at=(170 / 210, 200 / 210)),
            weight_decay=0,
        ),
        batch_size=_BATCH,
        epochs=210,
        model_name="pose-resnet50-simcc",
    )


def _rtmpose(name: str, *, backbone: str) -> TrainConfig:
    return TrainConfig(
        recipe=f"{name}-simcc",
        task="keypoints",
        input=InputSize(height=256, width=192),
        backbone=BackboneConfig(name=backbone),
        head=SimccHead(),
        codec=SimccCodec(bins_per_px=2, sigma_px=3),
        augment=AugmentConfig(
            scale=0.4,
            rotation_deg=80,
            shift=0.16,
            half_body_probability=0.3,
            occlusion_probability=0.5,
        ),
        weak_fraction=30 / 420,
        optimizer=OptimizerConfig(
            # Adam's step for a smaller batch: by the square root of the batches' ratio.
            learning_rate=4e-3 * (_BATCH / _RTMPOSE_BATCH) ** 0.5,
            schedule=FlatCosineSchedule(final_fraction=0.05),
            weight_decay=0,
        ),
        batch_size=_BATCH,
        epochs=420,
        model_name=f"pose-{name}-simcc",
    )
