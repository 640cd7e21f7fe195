"""ResNet with transposed convolutions: SimpleBaseline."""

from service.inference.card import InputSize
from training.codecs.config import HeatmapCodec
from training.config import AugmentConfig, OptimizerConfig, StepsSchedule, TrainConfig
from training.networks.config import AttentionHead, BackboneConfig, DeconvNeck, DenseHead


def resnet50_deconv() -> TrainConfig:
    """SimpleBaseline with ResNet-50: three transposed convolutions, Gaussian heatmaps, 256x192.

    Command: `python -m training train --recipe resnet50-deconv --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/resnet50-deconv`. The paper's 140 epochs see
    each of COCO's 149,813 people once: `--epoch-samples 149813 --batch-size 128`.

    Cost: 34.08 M parameters, 5.20 G multiply-adds.

    Reached: not yet trained here. Published is AP 0.704.

    Source: Xiao, Wu and Wei 2018, Simple Baselines for Human Pose Estimation and Tracking.
    """
    return _simple_baseline("resnet50")


def resnet101_deconv() -> TrainConfig:
    """SimpleBaseline with ResNet-101, 256x192.

    Command: `python -m training train --recipe resnet101-deconv …`, as for `resnet50-deconv`.

    Cost: 53.15 M parameters, 8.84 G multiply-adds.

    Reached: not yet trained here. Published is AP 0.714.

    Source: as for `resnet50-deconv`.
    """
    return _simple_baseline("resnet101")


def resnet152_deconv() -> TrainConfig:
    """SimpleBaseline with ResNet-152, 256x192.

    Command: `python -m training train --recipe resnet152-deconv …`, as for `resnet50-deconv`.

    Cost: 68.86 M parameters, 12.47 G multiply-adds.

    Reached: not yet trained here. Published is AP 0.720.

    Source: as for `resnet50-deconv`.
    """
    return _simple_baseline("resnet152")


def resnet50_deconv_attention() -> TrainConfig:
    """SimpleBaseline with ResNet-50 and attention: on the whole person, then on each joint.

    Command: `python -m training train --recipe resnet50-deconv-attention …`, as for
    `resnet50-deconv`; then `python -m training attention RUN PICTURE --output figure.png` shows
    where it looks.

    Cost: 34.13 M parameters, 5.33 G multiply-adds.

    Reached: not yet trained here.

    Source: Chu et al. 2017, Multi-context Attention; otherwise as for `resnet50-deconv`.
    """
    return _simple_baseline("resnet50").model_copy(
        update={
            "recipe": "resnet50-deconv-attention",
            "head": AttentionHead(),
            "model_name": "pose-resnet50-deconv-attention",
        }
    )


def mobilenetv2_deconv() -> TrainConfig:
    """MobileNetV2 with SimpleBaseline's transposed convolutions, 256x192.

    Command: `python -m training train --recipe mobilenetv2-deconv …`, as for `resnet50-deconv`.

    Cost: 9.61 M parameters, 1.57 G multiply-adds.

    Reached: not yet trained here at 256x192. At 128x96, from MoveNet's backbone, AP 0.232 after
    28,672 samples: commands in `docs/training-log.md`. Published (mmpose, 256x192) is AP 0.648.

    Source: as for `resnet50-deconv`; Sandler et al. 2018, MobileNetV2.
    """
    return _simple_baseline("mobilenetv2")


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
