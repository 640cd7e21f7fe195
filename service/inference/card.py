"""The card: what a bundle says about itself.

The same JSON stands in the ONNX file's `metadata_props` under `METADATA_KEY` and in `card.json`
beside it; the latter also holds the hash of the file. Training writes it; the service trusts only
it.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from service.inference.types import Size

METADATA_KEY = "stance.card"
SCHEMA_VERSION = 1

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Index = Annotated[int, Field(ge=0)]
Task = Literal["keypoints", "detection"]
Precision = Literal["fp32", "fp16", "int8"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSize(_Strict):
    """Height and width of the network's input in pixels."""

    height: int = Field(ge=16, le=4096)
    width: int = Field(ge=16, le=4096)

    @property
    def size(self) -> Size:
        return Size(height=self.height, width=self.width)


class Skeleton(_Strict):
    """K keypoints: names, the edges to draw, left-right pairs, and OKS sigmas.

    Indices are zero-based. `sigmas` are those of COCO's object keypoint similarity: the standard
    deviation of an annotator, relative to the square root of the object's area.
    """

    names: tuple[str, ...] = Field(min_length=1)
    edges: tuple[tuple[Index, Index], ...]
    flip_pairs: tuple[tuple[Index, Index], ...]
    sigmas: tuple[Annotated[float, Field(gt=0)], ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        count = len(self.names)
        if len(set(self.names)) != count:
            raise ValueError(f"names has duplicates: {self.names}")
        if len(self.sigmas) != count:
            raise ValueError(f"sigmas has {len(self.sigmas)} values, expected {count}")
        for label, pairs in (("edges", self.edges), ("flip_pairs", self.flip_pairs)):
            if any(index >= count for pair in pairs for index in pair):
                raise ValueError(f"{label} has an index outside 0..{count - 1}: {pairs}")
        flipped = [index for pair in self.flip_pairs for index in pair]
        if len(set(flipped)) != len(flipped):
            raise ValueError(f"flip_pairs names a keypoint twice: {self.flip_pairs}")
        return self

    def flip_order(self) -> list[int]:
        """For each keypoint the index of its mirror image."""
        order = list(range(len(self.names)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order


class DataSource(_Strict):
    """A data set that the network saw, and under which terms."""

    name: str
    licence: str
    samples: int = Field(ge=0)


class Effort(_Strict):
    """What training took: the last run only, for those that started from another run's weights.

    Attributes:
        samples: crops, or for a detector pictures, that the network learnt from, with repetition.
        hours: of the run, other work of the machine included.
        processor: names of what it ran on.
    """

    samples: int = Field(ge=0)
    hours: float = Field(ge=0)
    processor: str


class Calibration(_Strict):
    """How the layers of an INT8 file got their ranges.

    Attributes:
        data: sets that the ranges were measured on.
        samples: people of them, for a detector pictures, that were looked at.
        float_layers: so many layers at either end compute in float32.
    """

    data: tuple[str, ...] = Field(min_length=1)
    samples: int = Field(ge=1)
    float_layers: int = Field(ge=0)


class Conversion(_Strict):
    """What a file of lower precision was made from.

    Attributes:
        source: name and version of the bundle in full precision.
        source_sha256: of its ONNX file.
        source_ap: its AP, measured together with the `metrics` beside it.
        calibration: of INT8.
    """

    source: str
    source_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source_ap: float
    calibration: Calibration | None = None


class ModelCard(_Strict):
    """Everything that the service and a reader need to know about one ONNX file.

    Attributes:
        name: of the bundle; its folder below `models/`.
        version: of the bundle; its folder below `name`.
        task: `keypoints` (a crop to K joints) or `detection` (a letterboxed picture to boxes).
        input: size of the uint8 RGB input.
        other_inputs: further sizes that a detector takes; a picture is shown at the one where it is
            largest.
        crop_padding: factor on the box around a person, for `keypoints`.
        skeleton: for `keypoints`.
        recipe: of training.
        config: of training, resolved.
        data: the sets that it was trained on.
        effort: of training; None where it was not noted.
        metrics: name → value, as measured on this exported file.
        precision: in which the layers compute; input and outputs are the same for all.
        opset: version of ONNX's operators that the file uses; None in files from before it was
            noted.
        conversion: for lower precision than fp32.
        sha256: of the ONNX file, in `card.json` only.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    version: int = Field(ge=1)
    task: Task
    input: InputSize
    other_inputs: tuple[InputSize, ...] = ()
    crop_padding: float | None = Field(default=None, ge=1.0, le=4.0)
    skeleton: Skeleton | None = None
    recipe: str
    config: dict[str, JsonValue]
    data: tuple[DataSource, ...]
    effort: Effort | None = None
    metrics: dict[str, float]
    precision: Precision = "fp32"
    opset: int | None = Field(default=None, ge=1)
    conversion: Conversion | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @property
    def reference(self) -> str:
        """Name and version as `pipelines.toml` and answers give them: `person-detector/1`."""
        return f"{self.name}/{self.version}"

    @property
    def sizes(self) -> tuple[Size, ...]:
        """All sizes that the input may have; the first is `input`."""
        return tuple(one.size for one in (self.input, *self.other_inputs))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.other_inputs and self.task != "detection":
            raise ValueError(f"other_inputs must be absent for task {self.task}")
        if len(set(self.sizes)) != len(self.sizes):
            raise ValueError("other_inputs names a size twice, or that of input")
        for field in ("crop_padding", "skeleton"):
            given = getattr(self, field) is not None
            if given != (self.task == "keypoints"):
                wanted = "is required" if self.task == "keypoints" else "must be absent"
                raise ValueError(f"{field} {wanted} for task {self.task}")
        if (self.conversion is not None) != (self.precision != "fp32"):
            wanted = "must be absent" if self.conversion else "is required"
            raise ValueError(f"conversion {wanted} for precision {self.precision}")
        return self
