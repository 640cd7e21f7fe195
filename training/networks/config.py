"""What a network is made of: a backbone, perhaps a neck, and a head."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from training.strict import Strict


def _number_if_it_is_one(value: object) -> object:
    """Flags arrive as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Tap = Annotated[
    Annotated[int, Field(ge=2, le=32)] | str,
    BeforeValidator(_number_if_it_is_one, json_schema_input_type=int | str),
]
"""A stride, for the last layer that has it, or the name of a layer."""


class BackboneConfig(Strict):
    """The part that has seen other pictures before.

    Attributes:
        name: of a network of `keras.applications`, in any spelling (`resnet50`, `MobileNetV2`), or
            `efficientnet-lite0`.
        alpha: width multiplier, for the MobileNets.
        expansion: of the inverted residual blocks of MobileNetV2, 6 in the paper; a trained network
            is brought to fewer by the verb `slim`. A block whose `_expand_relu` is a tap keeps 6.
        taps: what the neck or head gets, deepest first.
        frozen: keep the weights and the statistics.
        frozen_batch_norm: keep scales and statistics of the batch normalisations only, so that
            training computes what inference computes; for starting weights whose statistics
            batches of small crops do not reproduce (measured in docs/training-log.md).
        batch_norm_momentum: of all batch normalisations; Keras' 0.999 is stale after short runs.
    """

    name: str = "mobilenetv2"
    alpha: float = Field(default=1.0, gt=0)
    expansion: float = Field(default=6.0, ge=1, le=6)
    taps: tuple[Tap, ...] = Field(default=(32,), min_length=1)
    frozen: bool = False
    frozen_batch_norm: bool = False
    batch_norm_momentum: float = Field(default=0.97, gt=0, lt=1)


class PyramidNeck(Strict):
    """Top-down pathway: channels at the deepest tap, then after each step up.

    Attributes:
        channels: as many as there are taps: `channels[i]` at level i, where the tap is added,
            `channels[i + 1]` after its block.
        deep_channels: of a 1x1 convolution on the deepest tap before all, 0 for none: what ends a
            MobileNet, for networks that end otherwise than that of `keras.applications`.
        refine_blocks: depthwise 5x5 residual blocks after the last level.
        refine_expansion: channels inside of these blocks, times those of the last level.
    """

    kind: Literal["pyramid"] = "pyramid"
    channels: tuple[int, ...] = Field(min_length=2)
    deep_channels: int = Field(default=0, ge=0)
    refine_blocks: int = Field(default=0, ge=0)
    refine_expansion: float = Field(default=4.0, ge=1)


class DeconvNeck(Strict):
    """Transposed convolutions of stride 2 on the deepest tap, one per entry of `channels`.

    Attributes:
        channels: of each of them.
        kernel: side of their kernels.
    """

    kind: Literal["deconv"] = "deconv"
    channels: tuple[int, ...] = Field(default=(256, 256, 256), min_length=1)
    kernel: int = Field(default=4, ge=2, le=4)


Neck = Annotated[PyramidNeck | DeconvNeck, Field(discriminator="kind")]


class DenseHead(Strict):
    """Logits per cell: a separable 3x3 convolution to `channels`, unless 0, and a 1x1.

    Attributes:
        channels: of the separable convolution; 0 leaves it out.
    """

    kind: Literal["dense"] = "dense"
    channels: int = Field(default=96, ge=0)


class Fcn8sHead(Strict):
    """Scores of three taps (strides 32, 16, 8), summed from deep to fine, at the input's size.

    Attributes:
        channels: of the two fully convolutional layers on the deepest tap.
        dropout: after each of them.
    """

    kind: Literal["fcn8s"] = "fcn8s"
    channels: int = Field(default=4096, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)


class AttentionHead(Strict):
    """Heatmaps of features weighted by holistic multi-scale and part-wise attention.

    Attributes:
        iterations: of the mean-field updates of each attention map.
        kernel: side of the kernel that the cells of a map share.
        scales: maps of the holistic attention, each at half the resolution of the one before.
    """

    kind: Literal["attention"] = "attention"
    iterations: int = Field(default=3, ge=1)
    kernel: int = Field(default=3, ge=1)
    scales: int = Field(default=3, ge=1)


class SimccHead(Strict):
    """A convolution to one map per joint, flattened, a gated attention unit, two classifications.

    Attributes:
        kernel: of the convolution.
        hidden: width of a joint's token.
        expansion: width of the gated attention unit's gates, in units of `hidden`.
        key_size: of its queries and keys.
    """

    kind: Literal["simcc"] = "simcc"
    kernel: int = Field(default=7, ge=1)
    hidden: int = Field(default=256, ge=1)
    expansion: int = Field(default=2, ge=1)
    key_size: int = Field(default=128, ge=1)


Head = Annotated[DenseHead | Fcn8sHead | AttentionHead | SimccHead, Field(discriminator="kind")]
