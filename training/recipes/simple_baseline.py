"""ResNet with transposed convolutions: SimpleBaseline."""

from service.inference.card import InputSize
from training.codecs.config import HeatmapCodec
from training.config import AugmentConfig, OptimizerConfig, StepsSchedule, TrainConfig
from training.networks.config import BackboneConfig, DeconvNeck, DenseHead


def resnet50_deconv() -> TrainConfig:
    """SimpleBaseline with ResNet-50: three transposed convolutions, Gaussian heatmaps, 256x192.

    Command: `python -m training train --recipe resnet50-deconv --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/resnet50-deconv`.

    Source: Xiao, Wu and Wei 2018, Simple Baselines for Human Pose Estimation and Tracking.
    """
    return _simple_baseline("resnet50")


def resnet101_deconv() -> TrainConfig:
    """SimpleBaseline with ResNet-101; not yet trained here.

    Command and source as for `resnet50-deconv`.
    """
    return _simple_baseline("resnet101")


def resnet152_deconv() -> TrainConfig:
    """SimpleBaseline with ResNet-152; not yet trained here.

    Command and source as for `resnet50-deconv`.
    """
    return _simple_baseline("resnet152")


def _simple_baseline(backbone: str) -> TrainConfig:
    return TrainConfig(
        recipe=f"{backbone}-deconv",
        task="keypoints",
        input=InputSize(height=256, width=192),
        backbone=BackboneConfig(name=backbone, taps=(32,), batch_norm_momentum=0.9),
        neck=DeconvNeck(channels=(256, 256, 256)),
        head=DenseHead(channels=0),
        codec=HeatmapCodec(stride=4, sigma_px=2.0, loss="mse", decoding="quarter"),
        augment=AugmentConfig(
            scale=0.3,
            rotation_deg=40,
            shift=0,
            half_body_probability=0,
            occlusion_probability=0,
            colour=0,
        ),
        weak_fraction=0,
        optimizer=OptimizerConfig(
            learning_rate=5e-4, schedule=StepsSchedule(warmup_fraction=0), weight_decay=0
        ),
        epochs=140,
        model_name=f"pose-{backbone}-deconv",
    )
