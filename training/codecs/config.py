"""How answers are written as numbers that a network can learn."""

from typing import Annotated, Literal

from pydantic import Field

from training.strict import Strict


class HeatmapCodec(Strict):
    """Gaussian heatmaps, one per joint, at `1 / stride` of the input.

    Attributes:
        stride: input pixels per heatmap pixel.
        sigma_px: of the Gaussians, in heatmap pixels.
        oks_width: above 0, the Gaussian of each joint is so many times the one by which OKS judges
            it, for a person who fills the crop, and `sigma_px` is not used. At 1 the heatmap is the
            OKS that an answer there is expected to get: its highest place is the best answer.
        loss: `cross-entropy` per cell, or `mse`, as SimpleBaseline has it.
        decoding: `parabola` through the logarithms around the maximum, or a `quarter` pixel towards
            the higher neighbour, as SimpleBaseline has it.
    """

    kind: Literal["heatmap"] = "heatmap"
    stride: int = Field(default=4, ge=1)
    sigma_px: float = Field(default=2.0, gt=0)
    oks_width: float = Field(default=0.0, ge=0)
    loss: Literal["cross-entropy", "mse"] = "cross-entropy"
    decoding: Literal["parabola", "quarter"] = "parabola"


class PixelClassCodec(Strict):
    """Each cell belongs to one of K joints, as a disc around it, or to the background.

    Attributes:
        stride: input pixels per cell.
        radius_px: of the discs, in input pixels.
        background_weight: of the background's cells in the loss, where a joint's have 1.
    """

    kind: Literal["pixelclass"] = "pixelclass"
    stride: int = Field(default=1, ge=1)
    radius_px: float = Field(default=8.0, gt=0)
    background_weight: float = Field(default=0.05, gt=0)


class SimccCodec(Strict):
    """Two classifications per joint, over the columns and over the rows of the input.

    Attributes:
        bins_per_px: classes per input pixel.
        sigma_px: of the Gaussian targets, in input pixels.
    """

    kind: Literal["simcc"] = "simcc"
    bins_per_px: float = Field(default=2.0, gt=0)
    sigma_px: float = Field(default=3.0, gt=0)


class CenterNetCodec(Strict):
    """Person centres and box sides on a grid at `1 / stride` of the input.

    Attributes:
        stride: input pixels per cell.
        box_loss_weight: of the boxes' loss, where the centres' has 1.
    """

    kind: Literal["centernet"] = "centernet"
    stride: int = Field(default=8, ge=1)
    slots: int = Field(default=60, ge=1, description="boxes in the answer, best first")
    box_loss_weight: float = Field(default=5.0, ge=0)


KeypointCodec = HeatmapCodec | PixelClassCodec | SimccCodec
Codec = Annotated[KeypointCodec | CenterNetCodec, Field(discriminator="kind")]
