"""Recipes for joints in a crop around one person."""

from service.inference.card import InputSize
from training.codecs.config import HeatmapCodec
from training.config import AugmentConfig, OptimizerConfig, TrainConfig
from training.networks.config import BackboneConfig, DenseHead, PyramidNeck

_TAPS = ("out_relu", "block_9_add", "block_5_add", "block_2_add")
_LITE_TAPS = ("head_relu", "block10_add", "block4_add", "block2_add")


def mobilenetv2_heatmap() -> TrainConfig:
    """The default: MobileNetV2, a light pyramid to stride 4 and Gaussian heatmaps at 256x192.

    Command: `python -m training train --recipe mobilenetv2-heatmap --data.train TRAIN.json
    --data.val VAL.json --backbone-weights imagenet --output runs/pose`.

    Cost: 2.36 M parameters, 0.34 G multiply-adds.

    Reached: from ImageNet weights not yet trained here. The shipped network started from MoveNet
    and was fine-tuned in two hours on two CPU cores: commands, samples and AP in
    `docs/training-log.md`.

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


def mobilenetv2_wide_heatmap() -> TrainConfig:
    """The default with 1.75 times the channels, as MoveNet Thunder has them: for quality.

    Command: `python -m training train --recipe mobilenetv2-wide-heatmap --data.train TRAIN.json
    --data.val VAL.json --backbone-weights none --init-weights thunder.weights.h5 --output
    runs/wide`, after `python -m training import-movenet movenet-thunder.json --data TRAIN.json
    --output thunder.weights.h5`; Keras has no weights of this width to download.

    Cost: 6.26 M parameters, 0.92 G multiply-adds.

    Reached: AP in `docs/training-log.md`.

    Source: as the default's; Google 2021, MoveNet Thunder.
    """
    default = mobilenetv2_heatmap()
    taps = ("block_16_project_BN", *_TAPS[1:])
    return default.model_copy(
        update={
            "recipe": "mobilenetv2-wide-heatmap",
            "backbone": BackboneConfig(alpha=1.75, taps=taps),
            "backbone_weights": "none",
            "neck": PyramidNeck(channels=(64, 32, 24, 24), deep_channels=1280, refine_blocks=1),
            "model_name": "pose-mobilenetv2-wide",
        }
    )


def efficientnet_lite0_heatmap() -> TrainConfig:
    """EfficientNet-Lite0, which quantises well, with the default's pyramid and heatmaps at 256x192.

    Command: `python -m training train --recipe efficientnet-lite0-heatmap --data.train TRAIN.json
    --data.val VAL.json --backbone-weights efficientnet_lite0_notop.keras --output runs/lite0`
    (Keras has no weights of it to download).

    Cost: 3.52 M parameters, 0.42 G multiply-adds.

    Reached: not yet trained here.

    Source: Tan and Le 2019, EfficientNet, the lite variant of 2020; otherwise as the default's.
    """
    return mobilenetv2_heatmap().model_copy(
        update={
            "recipe": "efficientnet-lite0-heatmap",
            "backbone": BackboneConfig(name="efficientnet-lite0", taps=_LITE_TAPS),
            "model_name": "pose-efficientnet-lite0",
        }
    )


def mobilenetv2_heatmap_debug() -> TrainConfig:
    """The default in small: 64x64, a third of the width, a few steps; for tests, not for use.

    Command: `python -m training train --recipe mobilenetv2-heatmap-debug --data.train TRAIN.json
    --data.val VAL.json --output runs/debug`.
    """
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
