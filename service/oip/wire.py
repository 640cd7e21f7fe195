"""The JSON documents of the protocol."""

from collections.abc import Sized
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

DataType = Literal["UINT8", "INT32", "FP32", "BYTES"]
"""Those of the protocol's types that occur here."""
_Text = Annotated[str, Field(max_length=256)]
"""Short enough to be shown in an error."""
Value = bool | Annotated[int, Field(ge=-(2**63), lt=2**63)] | float | _Text
"""Of a parameter."""
_MAX_MEMBERS = 32


def _few(parameters: object) -> object:
    """Refuses many before each that is wrong becomes an error of its own, as lists do."""
    if isinstance(parameters, Sized) and len(parameters) > _MAX_MEMBERS:
        raise ValueError(f"has {len(parameters)} members, expected at most {_MAX_MEMBERS}")
    return parameters


Parameters = Annotated[dict[_Text, Value], BeforeValidator(_few), Field(max_length=_MAX_MEMBERS)]
_Length = Annotated[int, Field(strict=True, ge=0, lt=2**63)]

IMAGE = "image"
"""The one input that every model has."""
BINARY_DATA_SIZE = "binary_data_size"
BINARY_DATA = "binary_data"
BINARY_DATA_OUTPUT = "binary_data_output"
TIMEOUT = "timeout"


class ServerMetadata(BaseModel):
    """What answers."""

    name: str = Field(examples=["stance"])
    version: str
    extensions: list[str] = Field(examples=[["binary_tensor_data"]])


class Live(BaseModel):
    """The server answers."""

    live: Literal[True] = True


class Ready(Live):
    """The server takes requests; the protocol says `live` for that too, KServe's client `ready`."""

    ready: Literal[True] = True


class ModelReady(BaseModel):
    """The model takes requests."""

    name: str
    ready: Literal[True] = True


class TensorMetadata(BaseModel):
    """An input or output; -1 is an axis of any length."""

    name: str
    datatype: DataType
    shape: list[int]


class ModelMetadata(BaseModel):
    """A model's inputs and outputs."""

    name: str
    versions: list[str] | None = Field(
        default=None, description="That may be asked for; a pipeline has none."
    )
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class RequestInput(BaseModel):
    """A tensor for the model: `data`, or `binary_data_size` bytes behind the JSON."""

    name: _Text
    shape: Annotated[list[_Length], Field(max_length=8)]
    datatype: _Text
    parameters: Parameters = {}
    data: list[Any] | None = Field(
        default=None,
        description="Row by row, nested or flat; of a BYTES tensor base64, since a picture is no "
        "text.",
    )


class RequestOutput(BaseModel):
    """A tensor that is to be answered."""

    name: _Text
    parameters: Parameters = {}


class InferenceRequest(BaseModel):
    """What a model is asked; all outputs are answered unless some are named."""

    id: str | None = None
    parameters: Parameters = {}
    inputs: Annotated[list[RequestInput], Field(max_length=_MAX_MEMBERS)]
    outputs: Annotated[list[RequestOutput], Field(max_length=_MAX_MEMBERS)] | None = None


class ResponseOutput(BaseModel):
    """A tensor of the answer: `data` row by row, or `binary_data_size` bytes behind the JSON."""

    name: str
    datatype: DataType
    shape: list[int]
    parameters: Parameters | None = None
    data: list[Any] | None = None


class InferenceResponse(BaseModel):
    """What a model answered."""

    model_name: str
    model_version: str | None = None
    id: str | None = None
    outputs: list[ResponseOutput]
