"""The loss of each codec, for the shape of a network's answer."""

from collections.abc import Callable
from typing import Any

import keras

from service.inference.card import Skeleton
from training.codecs import centernet, heatmap, pixelclass, simcc
from training.codecs.config import CenterNetCodec, HeatmapCodec, PixelClassCodec, SimccCodec
from training.config import TrainConfig


def network_loss(
    config: TrainConfig, network: keras.Model, skeleton: Skeleton | None
) -> Callable[[Any, Any], Any]:
    """`loss(target, logits)` → scalar."""
    match config.codec:
        case HeatmapCodec() as codec:
            widths = () if skeleton is None else skeleton.sigmas
            sigmas = heatmap.joint_sigmas(codec, config.input, config.crop_padding, widths)
            _, height, width, _ = network.output.shape
            return heatmap.heatmap_loss(codec, height, width, sigmas)
        case PixelClassCodec() as codec:
            return pixelclass.pixelclass_loss(codec, *network.output.shape[1:3])
        case SimccCodec() as codec:
            return simcc.simcc_loss(codec, config.input)
        case CenterNetCodec() as codec:
            return centernet.centernet_loss(codec)
