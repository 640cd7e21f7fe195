"""The typed configuration of a run: recipe → TOML file → flags; the resolved one is saved."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from service.inference.card import InputSize, Name, Task
from service.inference.cores import available_cores
from training.codecs.config import CenterNetCodec, Codec
from training.networks.config import (
    BackboneConfig,
    DeconvNeck,
    Fcn8sHead,
    Head,
    Neck,
    PyramidNeck,
)
from training.strict import Strict

Weights = Literal["best", "final", "raw"]
"""Of a run: averaged with the best validation AP, averaged of the newest epoch, as they train."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
OnBrokenPicture = Literal["error", "skip"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Devices = Literal["auto", "one"]


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
    """Which pictures to learn from and to measure on.

    Attributes:
        broken_pictures: what a training picture that cannot be read does: end the run with its
            name, or be counted, reported and replaced by another sample of its set.
    """

    train: tuple[DataSet, ...] = Field(default=(), description="COCO files to train on")
    val: tuple[DataSet, ...] = Field(default=(), description="COCO files to measure on")
    workers: int = Field(
        default_factory=available_cores,
        ge=1,
        description="threads that prepare samples, by default one for each core",
    )
    broken_pictures: OnBrokenPicture = Field(
        default="error", description="training pictures that cannot be read: error or skip"
    )


class AugmentConfig(Strict):
    """Random changes of a training sample; the last epochs use `weak()`.

    Attributes:
        rotation_deg: largest angle, both ways.
        rotation_probability: part of the samples that are rotated.
        flip_probability: part of the samples that are mirrored.
        half_body_probability: part of the people of whom only the upper or lower half is seen.
        occlusion_probability: part of the samples of which a piece is hidden.
    """

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


class FlatCosineSchedule(Strict):
    """Warm-up, a flat stretch, then half a cosine down to `final_fraction`; parts of the run.

    Attributes:
        warmup_fraction: part of the run in which the rate rises from 0.
        flat_fraction: part of the run, with the warm-up, before the rate falls.
        final_fraction: of the highest rate, at the end.
    """

    kind: Literal["flat-cosine"] = "flat-cosine"
    warmup_fraction: Fraction = 0.03
    flat_fraction: Fraction = 0.5
    final_fraction: Fraction = 0.02


class StepsSchedule(Strict):
    """Warm-up, then a drop by `factor` after each of the parts `at` of the run.

    Attributes:
        warmup_fraction: part of the run in which the rate rises from 0.
        at: parts of the run after which the rate drops.
        factor: that it is multiplied by.
    """

    kind: Literal["steps"] = "steps"
    warmup_fraction: Fraction = 0.03
    at: tuple[Fraction, ...] = (90 / 140, 120 / 140)
    factor: float = Field(default=0.1, gt=0, lt=1)


Schedule = Annotated[FlatCosineSchedule | StepsSchedule, Field(discriminator="kind")]


class OptimizerConfig(Strict):
    """AdamW (without weight decay it is Adam) with a schedule and averaged (EMA) weights.

    Attributes:
        weight_decay: of convolutions and matrices; biases and normalisations have none.
        clip_norm: longest gradient of all weights together.
        ema_momentum: part of the averaged weights that a step keeps; 0 averages nothing.
    """

    learning_rate: float = Field(default=1e-3, gt=0, description="highest of the schedule")
    schedule: Schedule = FlatCosineSchedule()
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float = Field(default=5.0, gt=0)
    ema_momentum: float = Field(default=0.998, ge=0, lt=1)


class TrainConfig(Strict):
    """Everything that decides what a run computes.

    Attributes:
        recipe: that the values started from.
        task: `keypoints` or `detection`.
        input: size of the network's input.
        oblong_inputs: a detector whose input is square also takes a lying and an upright one of no
            more pixels; a picture is then shown to the one that fits it best. It is trained on the
            square.
        crop_padding: factor on the box around a person (keypoints only).
        backbone_weights: `imagenet`, `none` or a file of weights for the backbone.
        init_weights: weights of a whole network (a run's, or converted) to start from; layers of
            other shapes keep their initial values.
        batch_size: samples of a step, on all devices together.
        epochs: length of the run; the schedule is a function of it.
        epoch_samples: samples of an epoch; after each there is a row in the log and a checkpoint.
        weak_fraction: part of the epochs, at the end, with weak augmentation.
        evaluate_every: epochs between two measurements on the validation set.
        precision: numbers that the network computes with while it trains; weights, losses and
            everything that is measured or exported are float32.
        devices: `auto` takes every GPU of this host, and of every host that `TF_CONFIG` names;
            the batch is divided among them and the result is the same up to rounding.
        checkpoint_minutes: between two checkpoints within an epoch.
        seed: of starting weights, order and augmentation.
        model_name: of the bundle that is exported.
        model_version: of the bundle that is exported.
    """

    recipe: str
    task: Task
    input: InputSize
    oblong_inputs: bool = False
    crop_padding: float = Field(default=1.25, ge=1.0, le=4.0)
    backbone: BackboneConfig
    backbone_weights: str = "imagenet"
    init_weights: Path | None = None
    neck: Neck | None = None
    head: Head
    codec: Codec
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    weak_fraction: Fraction = 0.2
    optimizer: OptimizerConfig = OptimizerConfig()
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=100, ge=1)
    epoch_samples: int = Field(default=4096, ge=1)
    evaluate_every: int = Field(default=1, ge=1)
    precision: Precision = "float32"
    devices: Devices = "auto"
    checkpoint_minutes: float = Field(default=10.0, gt=0)
    seed: int = 0
    model_name: Name = "model"
    model_version: int = Field(default=1, ge=1)

    @field_validator("neck", mode="before")
    @classmethod
    def _no_neck(cls, value: object) -> object:
        """`none`, for TOML has no word for it."""
        return None if value == "none" else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wanted = "detection" if self.codec.kind == "centernet" else "keypoints"
        if self.task != wanted:
            raise ValueError(f"codec {self.codec.kind} answers task {wanted}, not {self.task}")
        if (self.codec.kind == "simcc") != (self.head.kind == "simcc"):
            raise ValueError(f"head {self.head.kind} does not answer codec {self.codec.kind}")
        if self.input.height % 32 or self.input.width % 32:
            raise ValueError(f"input must be multiples of 32, got {self.input}")
        self._check_oblong()
        if self.epoch_samples < self.batch_size:
            raise ValueError(f"epoch_samples {self.epoch_samples} < batch_size {self.batch_size}")
        self._check_taps()
        return self

    def _check_oblong(self) -> None:
        codec = self.codec
        if not isinstance(codec, CenterNetCodec):
            if self.oblong_inputs:
                raise ValueError(f"oblong_inputs are for detectors, codec {codec.kind} for joints")
            return
        for size in self.other_inputs:
            cells = size.height * size.width // codec.stride**2
            if cells < codec.slots:
                raise ValueError(
                    f"codec.slots {codec.slots} are more than the {cells} cells of an input of "
                    f"{size.height}x{size.width}: leave oblong_inputs out"
                )

    def _check_taps(self) -> None:
        taps = len(self.backbone.taps)
        match self.neck, self.head:
            case (PyramidNeck(channels=channels), _) if len(channels) != taps:
                raise ValueError(
                    f"neck.channels has {len(channels)} entries and backbone.taps {taps}: a "
                    "pyramid needs as many, for example --backbone.taps 32,16,8,4"
                )
            case (None, Fcn8sHead()) if taps != 3:
                raise ValueError(
                    "head fcn8s needs --backbone.taps 32,16,8 or layers of these strides, "
                    f"got {taps}"
                )
            case (PyramidNeck() | DeconvNeck(), Fcn8sHead()):
                raise ValueError("head fcn8s takes the backbone's taps: leave the neck out (none)")
            case _:
                pass

    @property
    def other_inputs(self) -> tuple[InputSize, ...]:
        """The oblong inputs, near 4:3 and 3:4; both sides stay multiples of 32."""
        side = self.input.height
        if not self.oblong_inputs or self.input.width != side:
            return ()
        step = max(round(side / 7 / 32), 1) * 32
        short, long = side - step, side + step
        return InputSize(height=short, width=long), InputSize(height=long, width=short)

    @property
    def steps_per_epoch(self) -> int:
        return self.epoch_samples // self.batch_size
