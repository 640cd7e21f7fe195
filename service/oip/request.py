"""From a request's body to what is asked of a model; no data is looked at yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from service.inference.errors import ImageTooLarge
from service.inference.validation import first_problem
from service.oip.errors import InvalidRequest
from service.oip.wire import (
    BINARY_DATA,
    BINARY_DATA_OUTPUT,
    BINARY_DATA_SIZE,
    InferenceRequest,
    Parameters,
    RequestInput,
    RequestOutput,
    Value,
)

_LEAST_LIST_BYTES = len("[0,0,0],")
# Of objects and outer lists, and for brackets in texts.
_FREE_LISTS = 2000
_SHOWN = 250


@dataclass(frozen=True, slots=True)
class InputTensor:
    """A tensor as it was sent.

    Attributes:
        data: JSON values, or the tensor's bytes.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | memoryview


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a model.

    Attributes:
        inputs: by name.
        raw: the body of a raw request, which is the model's one input.
        id: to be given back.
        parameters: but the one that `binary_output` holds.
        outputs: whether each wanted one is to be binary; None wants all.
        binary_output: whether outputs are to be binary that do not say themselves.
    """

    inputs: Mapping[str, InputTensor]
    raw: memoryview | None = None
    id: str | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict[str, Value])
    outputs: Mapping[str, bool] | None = None
    binary_output: bool = False

    def wanted(self, available: Sequence[str]) -> dict[str, bool]:
        """The outputs to answer, in order, and whether each is to be binary.

        Raises:
            InvalidRequest: one is not available.
        """
        if self.outputs is None:
            return dict.fromkeys(available, self.binary_output)
        for name in self.outputs:
            if name not in available:
                raise InvalidRequest(f"output is {name!r}; expected one of {_listed(available)}")
        return dict(self.outputs)

    def input(self, name: str) -> InputTensor:
        """The one input that the model has.

        Raises:
            InvalidRequest: it is missing, or is not the only one.
        """
        if list(self.inputs) != [name]:
            given = _listed(self.inputs) or "none"
            raise InvalidRequest(f"inputs are {given}; expected only {name!r}")
        return self.inputs[name]


def parse_request(body: bytes, json_bytes: int | None, *, max_json_bytes: int) -> Asked:
    """Reads the JSON of a request and finds the bytes of each binary input behind it.

    Args:
        body: JSON, and then the binary data of inputs in the JSON's order.
        json_bytes: length of the JSON; None if there is nothing behind it, 0 for a raw request.
        max_json_bytes: parsing JSON takes many times its length.

    Raises:
        ImageTooLarge: the JSON is longer than the limit.
        InvalidRequest: the body is not such a request.
    """
    if json_bytes == 0:
        return Asked(inputs={}, raw=memoryview(body), binary_output=True)
    if json_bytes is not None and json_bytes > len(body):
        raise InvalidRequest(
            f"Inference-Header-Content-Length is {json_bytes}; the body has {len(body)} bytes"
        )
    split = len(body) if json_bytes is None else json_bytes
    if split > max_json_bytes:
        raise ImageTooLarge(
            f"the JSON has {split} bytes; expected at most max_json_bytes = {max_json_bytes}, and "
            "larger tensors as binary data"
        )
    parsed = _parsed(body[:split])
    parameters = dict(parsed.parameters)
    binary_output = _flag(parameters.pop(BINARY_DATA_OUTPUT, False), BINARY_DATA_OUTPUT)
    return Asked(
        id=parsed.id,
        parameters=parameters,
        inputs=_inputs(parsed.inputs, memoryview(body)[split:]),
        outputs=_outputs(parsed.outputs or (), binary_output=binary_output) or None,
        binary_output=binary_output,
    )


def _parsed(text: bytes) -> InferenceRequest:
    # The interpreter is locked meanwhile, and lists take the most time: of a tensor of pixels,
    # nested as it may be, each takes 8 characters at least.
    if text.count(b"[") + text.count(b"{") > len(text) // _LEAST_LIST_BYTES + _FREE_LISTS:
        raise InvalidRequest("the JSON has more lists and objects than an inference request has")
    try:
        return InferenceRequest.model_validate(from_json(text))
    except ValidationError as error:
        # The name of a parameter is told, and may be as long as the JSON.
        reason = first_problem(error)[:_SHOWN]
        raise InvalidRequest(f"the request is malformed: {reason}") from error
    except ValueError as error:
        raise InvalidRequest(f"the request is not valid JSON: {error}") from error


def _inputs(inputs: Sequence[RequestInput], binary: memoryview) -> dict[str, InputTensor]:
    found: dict[str, InputTensor] = {}
    taken = 0
    for given in inputs:
        _only(given.parameters, BINARY_DATA_SIZE, f"input {given.name!r}")
        size = given.parameters.get(BINARY_DATA_SIZE)
        if given.name in found:
            raise InvalidRequest(f"input {given.name!r} is there twice; expected once")
        if (size is None) == (given.data is None):
            raise InvalidRequest(
                f"input {given.name!r} has {'neither' if size is None else 'both'} of data and "
                f"{BINARY_DATA_SIZE}; expected one of them"
            )
        data: list[Any] | memoryview = given.data or []
        if size is not None:
            data = _cut(binary[taken:], size, given.name)
            taken += len(data)
        found[given.name] = InputTensor(given.name, given.datatype, tuple(given.shape), data)
    if taken != len(binary):
        raise InvalidRequest(
            f"{len(binary)} bytes follow the JSON; expected the {taken} that its inputs announce"
        )
    return found


def _cut(binary: memoryview, size: Value, name: str) -> memoryview:
    if type(size) is not int or not 0 <= size <= len(binary):
        raise InvalidRequest(
            f"input {name!r}: {BINARY_DATA_SIZE} is {size!r}; expected a number from 0 to "
            f"{len(binary)}, the bytes that are left behind the JSON"
        )
    return binary[:size]


def _outputs(outputs: Sequence[RequestOutput], *, binary_output: bool) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for asked in outputs:
        _only(asked.parameters, BINARY_DATA, f"output {asked.name!r}")
        if asked.name in found:
            raise InvalidRequest(f"output {asked.name!r} is there twice; expected once")
        found[asked.name] = _flag(asked.parameters.get(BINARY_DATA, binary_output), BINARY_DATA)
    return found


def _only(parameters: Parameters, known: str, of: str) -> None:
    unknown = sorted(set(parameters) - {known})
    if unknown:
        raise InvalidRequest(f"{of} has a parameter {unknown[0]!r}; expected only {known!r}")


def _flag(value: Value, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} is {value!r}; expected true or false")
    return value


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(repr(name) for name in names)
