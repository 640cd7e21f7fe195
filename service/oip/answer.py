"""From a model's outputs to an answer's body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from service.oip.models import Model
from service.oip.outputs import Arrays
from service.oip.wire import BINARY_DATA_SIZE, DataType, InferenceResponse, ResponseOutput

_PREFIX_BYTES = 4


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes; `json_bytes` of them are JSON, None if all are."""

    data: bytes
    json_bytes: int | None


def answer_body(
    model: Model, request_id: str | None, outputs: Arrays, wanted: Mapping[str, bool]
) -> Body:
    """The answer to a request.

    Args:
        model: that answered.
        request_id: that the request gave.
        outputs: of the model.
        wanted: names of outputs in order, and whether each is to be binary.
    """
    documents: list[ResponseOutput] = []
    binary: list[bytes] = []
    for name, as_bytes in wanted.items():
        values = outputs[name]
        document = ResponseOutput(name=name, datatype=_datatype(values), shape=list(values.shape))
        if as_bytes:
            binary.append(_serialised(values))
            document.parameters = {BINARY_DATA_SIZE: len(binary[-1])}
        else:
            document.data = _listed(values)
        documents.append(document)
    response = InferenceResponse(
        model_name=model.name, model_version=model.version, id=request_id, outputs=documents
    )
    head = response.model_dump_json(exclude_none=True).encode()
    return Body(b"".join([head, *binary]), len(head) if any(wanted.values()) else None)


def _datatype(values: npt.NDArray[Any]) -> DataType:
    match values.dtype.kind:
        case "f":
            return "FP32"
        case "i":
            return "INT32"
        case _:
            return "BYTES"


def _serialised(values: npt.NDArray[Any]) -> bytes:
    if values.dtype.kind == "O":
        return b"".join(
            len(text).to_bytes(_PREFIX_BYTES, "little") + text for text in values.tolist()
        )
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _listed(values: npt.NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "O":
        return [text.decode() for text in values.tolist()]
    return values.ravel().tolist()
