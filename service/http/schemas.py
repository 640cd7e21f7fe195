"""What goes over the wire as JSON: parameters in, documents out."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.inference.card import ModelCard
from service.runtime.prediction import MAX_PERSONS

MAX_BOXES = 100

Format = Literal["json", "coco", "image"]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Side = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Boxes = Annotated[list[tuple[_Finite, _Finite, _Side, _Side]], Field(max_length=MAX_BOXES)]
"""Rows x, y, width, height in pixels of the picture."""


class PredictQuery(BaseModel):
    """The query parameters of `POST /predict`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_persons: int = Field(
        default=MAX_PERSONS, ge=1, le=100, description="The most people to answer, best first."
    )
    min_person_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="People with a lower score are left out; unless given, the pipeline's limit.",
    )
    min_keypoint_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Joints with a lower score are left out: absent in `json`, `0, 0, 0` in "
        "`coco`, not drawn in `image`. Unless given it is 0, so that nothing is hidden; only the "
        "drawing then leaves out joints that are probably not in the picture.",
    )
    format: Format = Field(
        default="json",
        description="`json`; `coco`: COCO keypoint results; `image`: the picture with skeletons, "
        "PNG or JPEG by `Accept`.",
    )


class ModelDocument(BaseModel):
    """Which networks answered."""

    pipeline: str
    detector: str = Field(examples=["person-detector/1"])
    keypoints: str = Field(examples=["pose-mobilenetv2/1"])


class ImageDocument(BaseModel):
    """The size of the upright picture in pixels."""

    width: int
    height: int


class BoxDocument(BaseModel):
    """A box by its upper left corner and size, in pixels of the upright picture."""

    x: float
    y: float
    width: float
    height: float


class KeypointDocument(BaseModel):
    """A joint in pixels of the upright picture; the first pixel's centre is (0.5, 0.5)."""

    name: str = Field(examples=["nose"])
    x: float
    y: float
    score: float


class PersonDocument(BaseModel):
    """A person with the joints in the skeleton's order."""

    score: float
    box: BoxDocument
    keypoints: list[KeypointDocument]


class TimingsDocument(BaseModel):
    """Milliseconds by stage; total is from the complete upload to the result."""

    decode: float
    detect: float
    keypoints: float
    queue: float
    total: float


class PredictionDocument(BaseModel):
    """The people in a picture, best first; `persons` is empty when nobody is there."""

    model: ModelDocument
    image: ImageDocument
    persons: list[PersonDocument]
    timings_ms: TimingsDocument


class CocoDocument(BaseModel):
    """One person as a COCO keypoint result; `keypoints` holds x, y, score for each joint."""

    image_id: int
    category_id: int
    keypoints: list[float]
    score: float
    bbox: list[float] = Field(description="x, y, width, height")


class ReadyDocument(BaseModel):
    """The service takes requests."""

    status: Literal["ready"] = "ready"
    pipeline: str
    provider: str = Field(
        description="The execution provider that really runs.", examples=["CPUExecutionProvider"]
    )


class LiveDocument(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class PipelineDocument(BaseModel):
    """A pair of networks."""

    detector: str
    keypoints: str
    min_person_score: float


class LoadedModelDocument(BaseModel):
    """A loaded network: its card and the execution provider that really runs it."""

    provider: str
    card: ModelCard


class ModelsDocument(BaseModel):
    """What is loaded: pipelines by name, networks by `name/version`."""

    pipelines: dict[str, PipelineDocument]
    models: dict[str, LoadedModelDocument]
