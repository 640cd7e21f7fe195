"""What goes over the wire as JSON: parameters in, documents out."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.inference.card import ModelCard
from service.inference.errors import InvalidInput
from service.inference.types import DRAWN_KEYPOINT_SCORE, MAX_PERSONS

MAX_BOXES = 100

Format = Literal["json", "coco", "image"]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Side = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Boxes = Annotated[list[tuple[_Finite, _Finite, _Side, _Side]], Field(max_length=MAX_BOXES)]
"""Rows x, y, width, height in pixels of the picture."""


class PoseQuery(BaseModel):
    """What is asked about a picture, as query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="A loaded pipeline, as `/models` names them; unless given, the default one.",
    )
    max_persons: int = Field(
        default=MAX_PERSONS,
        ge=1,
        description="The most people to answer, best first. The service limits it; unless given, "
        "its limit counts where that is lower.",
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

    def limited(self, max_persons: int) -> Self:
        """The same within the service's limit on people.

        Raises:
            InvalidInput: more are asked for.
        """
        if self.max_persons <= max_persons:
            return self
        if "max_persons" in self.model_fields_set:
            raise InvalidInput(
                f"max_persons is {self.max_persons}; "
                f"expected at most {max_persons}, the service's POSE_MAX_PERSONS"
            )
        return self.model_copy(update={"max_persons": max_persons})


class PredictQuery(PoseQuery):
    """The query parameters of `POST /predict`."""

    format: Format = Field(
        default="json",
        description="`json`; `coco`: COCO keypoint results; `image`: the picture with skeletons, "
        "PNG or JPEG by `Accept`.",
    )


class ModelDocument(BaseModel):
    """Which networks answered."""

    pipeline: str
    detector: str = Field(examples=["person-detector/4"])
    keypoints: str = Field(examples=["pose-mobilenetv2/4"])


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


class Problem(BaseModel):
    """Why a request was not answered."""

    type: str = Field(examples=["urn:stance:problem:image-too-large"])
    title: str = Field(examples=["The picture is too large"])
    status: int = Field(examples=[413])
    detail: str = Field(description="What is wrong with which value, and what was expected.")
    instance: str = Field(description="The request's id, as in `X-Request-Id` and in the log.")


class InferenceProblem(Problem):
    """A problem as the Open Inference Protocol's clients read it, too."""

    error: str = Field(description="The same as `detail`.")


class CocoDocument(BaseModel):
    """One person as a COCO keypoint result; `keypoints` holds x, y, score for each joint."""

    image_id: int
    category_id: int
    keypoints: list[float]
    score: float
    bbox: list[float] = Field(description="x, y, width, height")


class BatchItemDocument(BaseModel):
    """What became of one picture of a batch: a prediction, or why there is none."""

    index: int = Field(description="The picture's place in the form, from 0.")
    filename: str | None = Field(default=None, description="As the form names it.")
    prediction: PredictionDocument | None = None
    problem: Problem | None = None


class BatchDocument(BaseModel):
    """One item for each picture of a batch, in the order of the form."""

    results: list[BatchItemDocument]


class ReadyDocument(BaseModel):
    """The service takes requests."""

    status: Literal["ready"] = "ready"
    pipeline: str = Field(description="That of requests which name none.")
    pipelines: list[str] = Field(description="All that are loaded.")
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
    min_box_score: float | None = Field(
        default=None,
        description="Boxes below are not looked at unless a request names min_person_score.",
    )
    drawn_keypoint_score: float = Field(
        default=DRAWN_KEYPOINT_SCORE,
        description="Joints below are not drawn unless a request names min_keypoint_score.",
    )


class LoadedModelDocument(BaseModel):
    """A loaded network: its card and the execution provider that really runs it."""

    provider: str
    card: ModelCard


class ModelsDocument(BaseModel):
    """What is loaded: pipelines by name, networks by `name/version`."""

    default: str = Field(description="The pipeline of requests that name none.")
    pipelines: dict[str, PipelineDocument]
    models: dict[str, LoadedModelDocument]
