"""FCN-8s: the first description of this system."""

from service.inference.card import InputSize
from training.codecs.config import PixelClassCodec
from training.config import OptimizerConfig, TrainConfig
from training.networks.config import BackboneConfig, Fcn8sHead

_TAPS = ("block5_pool", "block4_pool", "block3_pool")


def fcn8s_vgg16() -> TrainConfig:
    """FCN-8s on VGG16: every pixel is one of the joints or background, 256x192.

    Command: `python -m training train --recipe fcn8s-vgg16 --data.train TRAIN.json --data.val
    VAL.json --backbone-weights imagenet --output runs/fcn8s`.

    Cost: 134.44 M parameters, 20.85 G multiply-adds.

    Reached: not yet trained here at this size. At 96x64 with `--head.channels 1024` AP 0.027 (AP50
    0.117) after 20,480 samples, still climbing: commands in `docs/training-log.md`. Exporting it at
    full width needs more memory than the 23 GB of the machine where it was tried.

    Source: Long, Shelhamer and Darrell 2015, Fully Convolutional Networks; Simonyan and Zisserman
    2015.
    """
    return TrainConfig(
        recipe="fcn8s-vgg16",
        task="keypoints",
        input=InputSize(height=256, width=192),
        backbone=BackboneConfig(name="vgg16", taps=_TAPS),
        head=Fcn8sHead(),
        codec=PixelClassCodec(stride=1, radius_px=8),
        optimizer=OptimizerConfig(learning_rate=1e-4),
        batch_size=16,
        model_name="pose-fcn8s-vgg16",
    )
