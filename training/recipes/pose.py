"""Recipes for joints in a crop around one person."""

from service.inference.card import InputSize
from training.codecs.config import HeatmapCodec
from training.config import AugmentConfig, OptimizerConfig, TrainConfig
from training.networks.config import BackboneConfig, DenseHead, PyramidNeck

_TAPS = ("out_relu", "block_9_add", "block_5_add", "block_2_add")


def mobilenetv2_heatmap() -> TrainConfig:
    """The default: MobileNetV2, a light pyramid to stride 4 and Gaussian heatmaps at 256x192.

    Command: `python -m training train --recipe mobilenetv2-heatmap --data.train TRAIN.json
    --data.val VAL.json --backbone-weights imagenet --output runs/pose`. From ImageNet weights not
    yet trained here; the shipped network started from MoveNet and was fine-tuned in two hours on
    two CPU cores: commands, samples and AP in `docs/training-log.md`.

    Source: Sandler et al. 2018; Lin et al. 2017; Zhang et al. 2020 (DARK); Huang et al. 2020 (UDP).
    """
    return TrainConfig(
        recipe="mobilenetv2-heatmap",
        task="keypoints",
        input=InputSize(height=256, width=192),
        backbone=BackboneConfig(taps=_TAPS),
        neck=PyramidNeck(channels=(64, 32, 24, 24), refine_blocks=1),
        head=DenseHead(channels=96),
        codec=HeatmapCodec(stride=4, sigma_px=2.0),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        model_name="pose-mobilenetv2",
    )


def mobilenetv2_heatmap_debug() -> TrainConfig:
    """The default in small: 64x64, a third of the width, a few steps; for tests, not for use."""
    return mobilenetv2_heatmap().model_copy(
        update={
            "recipe": "mobilenetv2-heatmap-debug",
            "input": InputSize(height=64, width=64),
            "backbone": BackboneConfig(alpha=0.35, taps=_TAPS, batch_norm_momentum=0.9),
            "backbone_weights": "none",
            "neck": PyramidNeck(channels=(16, 16, 16, 16)),
            "head": DenseHead(channels=16),
            "codec": HeatmapCodec(stride=4, sigma_px=1.5),
            "augment": AugmentConfig(scale=0.1, rotation_deg=10, half_body_probability=0),
            "optimizer": OptimizerConfig(learning_rate=3e-3, ema_momentum=0.9),
            "batch_size": 8,
            "epochs": 2,
            "epoch_samples": 64,
            "model_name": "pose-debug",
        }
    )
