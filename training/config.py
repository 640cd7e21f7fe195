"""The typed configuration of a run: recipe → TOML file → flags; the resolved one is saved."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.inference.card import InputSize, Name, Task

Weights = Literal["best", "final", "raw"]
"""Of a run: averaged with the best validation AP, averaged of the newest epoch, as they train."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Strict(BaseModel):
    """A part of the configuration: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSet(Strict):
    """One COCO-format annotation file, its folder of pictures and its share in a run.

    On the command line: `annotations.json`, `annotations.json:images` or
    `annotations.json:images:weight`. Without a folder, COCO's own layout is tried
    (`annotations/person_keypoints_NAME.json` beside `NAME/`), then `images/` beside the file.
    """

    annotations: Path
    images: Path
    weight: float = Field(default=1.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        annotations, _, rest = value.partition(":")
        images, _, weight = rest.partition(":")
        fields: dict[str, object] = {"annotations": annotations}
        fields["images"] = images or _usual_images_folder(Path(annotations))
        if weight:
            fields["weight"] = weight
        return fields


def _usual_images_folder(annotations: Path) -> Path:
    name = annotations.stem.removeprefix("person_keypoints_")
    beside = annotations.parent.parent / name
    return beside if beside.is_dir() else annotations.parent / "images"


class DataConfig(Strict):
    """Which pictures to learn from and to measure on."""

    train: tuple[DataSet, ...] = Field(default=(), description="COCO files to train on")
    val: tuple[DataSet, ...] = Field(default=(), description="COCO files to measure on")
    workers: int = Field(default=2, ge=1, description="threads that prepare samples")


class AugmentConfig(Strict):
    """Random changes of a training sample; the last epochs use `weak()`."""

    scale: float = Field(default=0.30, ge=0, lt=1, description="size varies by this fraction")
    rotation_deg: float = Field(default=40.0, ge=0, le=180)
    rotation_probability: Fraction = 0.6
    shift: float = Field(default=0.05, ge=0, le=0.5, description="of the box, both ways")
    flip_probability: Fraction = 0.5
    half_body_probability: Fraction = 0.3
    occlusion_probability: Fraction = 0.3
    mosaic_probability: Fraction = Field(default=0.0, description="four pictures in one, detection")
    colour: Fraction = Field(default=0.4, description="strength of colour changes")

    def weak(self) -> "AugmentConfig":
        """Half the geometry, little colour, no occlusion or mosaic: for a run's last stretch."""
        return self.model_copy(
            update={
                "scale": self.scale / 2,
                "rotation_deg": self.rotation_deg / 2,
                "half_body_probability": self.half_body_probability / 2,
                "occlusion_probability": 0.0,
                "mosaic_probability": 0.0,
                "colour": self.colour / 2,
            }
        )


class BackboneConfig(Strict):
    """A network of `keras.applications` and the layers that feed the pyramid.

    Attributes:
        name: of the architecture.
        alpha: width multiplier.
        taps: layers from stride 32 upwards in resolution; one per level of the pyramid.
        frozen: keep the weights and the statistics.
        frozen_batch_norm: keep scales and statistics of the batch normalisations only, so that
            training computes what inference computes; for starting weights whose statistics
            batches of small crops do not reproduce (measured in docs/training-log.md).
        batch_norm_momentum: of all batch normalisations; Keras' 0.999 is stale after short runs.
    """

    name: Literal["mobilenetv2"] = "mobilenetv2"
    alpha: float = Field(default=1.0, gt=0)
    taps: tuple[str, ...]
    frozen: bool = False
    frozen_batch_norm: bool = False
    batch_norm_momentum: float = Field(default=0.97, gt=0, lt=1)


class PyramidConfig(Strict):
    """Top-down pathway: channels at the deepest tap, then after each step up.

    Attributes:
        channels: one more than there are taps below the deepest: `channels[i]` at level i, where
            the tap is added, `channels[i + 1]` after its block.
        refine_blocks: depthwise 5x5 residual blocks after the last level.
    """

    channels: tuple[int, ...] = Field(min_length=2)
    refine_blocks: int = Field(default=0, ge=0)


class HeatmapCodec(Strict):
    """Gaussian heatmaps, one per joint, at `1 / stride` of the input."""

    kind: Literal["heatmap"] = "heatmap"
    stride: int = Field(default=4, ge=1)
    sigma_px: float = Field(default=2.0, gt=0, description="in heatmap pixels")


class CenterNetCodec(Strict):
    """Person centres and box sides on a grid at `1 / stride` of the input."""

    kind: Literal["centernet"] = "centernet"
    stride: int = Field(default=8, ge=1)
    slots: int = Field(default=60, ge=1, description="boxes in the answer, best first")
    box_loss_weight: float = Field(default=5.0, ge=0)


Codec = Annotated[HeatmapCodec | CenterNetCodec, Field(discriminator="kind")]


class OptimizerConfig(Strict):
    """AdamW with warm-up, a flat stretch, a cosine to `final_fraction`, and EMA weights."""

    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float = Field(default=5.0, gt=0)
    warmup_fraction: Fraction = 0.03
    flat_fraction: Fraction = 0.5
    final_fraction: Fraction = 0.02
    ema_momentum: float = Field(default=0.998, ge=0, lt=1)


class TrainConfig(Strict):
    """Everything that decides what a run computes.

    Attributes:
        recipe: that the values started from.
        task: `keypoints` or `detection`.
        input: size of the network's input.
        crop_padding: factor on the box around a person (keypoints only).
        backbone_weights: `imagenet`, `none` or a file of weights for the backbone.
        init_weights: weights of a whole network (a run's, or converted) to start from; layers of
            other shapes keep their initial values.
        epoch_samples: samples between two checkpoints.
        weak_fraction: part of the epochs, at the end, with weak augmentation.
        evaluate_every: epochs between two measurements on the validation set.
    """

    recipe: str
    task: Task
    input: InputSize
    crop_padding: float = Field(default=1.25, ge=1.0, le=4.0)
    backbone: BackboneConfig
    backbone_weights: str = "imagenet"
    init_weights: Path | None = None
    pyramid: PyramidConfig
    head_channels: int = Field(default=96, ge=1)
    codec: Codec
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    weak_fraction: Fraction = 0.2
    optimizer: OptimizerConfig = OptimizerConfig()
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=100, ge=1)
    epoch_samples: int = Field(default=4096, ge=1)
    evaluate_every: int = Field(default=1, ge=1)
    seed: int = 0
    model_name: Name = "model"
    model_version: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wanted = {"heatmap": "keypoints", "centernet": "detection"}[self.codec.kind]
        if self.task != wanted:
            raise ValueError(f"codec {self.codec.kind} answers task {wanted}, not {self.task}")
        if self.input.height % 32 or self.input.width % 32:
            raise ValueError(f"input must be multiples of 32, got {self.input}")
        if len(self.pyramid.channels) != len(self.backbone.taps):
            raise ValueError("pyramid.channels and backbone.taps must have the same length")
        if self.epoch_samples < self.batch_size:
            raise ValueError(f"epoch_samples {self.epoch_samples} < batch_size {self.batch_size}")
        return self

    @property
    def steps_per_epoch(self) -> int:
        return self.epoch_samples // self.batch_size
