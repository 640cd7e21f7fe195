"""The data of a request's tensors: pixels for a network, or encoded pictures for a pipeline."""

import base64
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import numpy as np

from service.inference.signature import picture_shapes, shapes_of
from service.inference.types import Pixels, Size
from service.oip.errors import InvalidRequest
from service.oip.request import Asked, InputTensor
from service.oip.wire import IMAGE, DataType

_PREFIX_BYTES = 4


def pixels_of(asked: Asked, sizes: Sequence[Size], max_rows: int) -> Pixels:
    """The pictures for a network, `[N, H, W, 3]`; binary data is not copied.

    Args:
        asked: with a UINT8 tensor of that shape; a raw one with its bytes, for the first size.
        sizes: that the pictures may have.
        max_rows: the largest N.

    Raises:
        InvalidRequest: type, shape or data are not those of up to so many such pictures.
    """
    pictures = picture_shapes(sizes)
    if asked.raw is None:
        tensor = asked.input(IMAGE)
    else:
        rows = len(asked.raw) // math.prod(pictures[0])
        tensor = InputTensor(IMAGE, "UINT8", (rows, *pictures[0]), asked.raw)
    _check_type(tensor, "UINT8")
    if len(tensor.shape) != 4 or tensor.shape[1:] not in pictures:
        raise _unlike(tensor, shapes_of(sizes))
    _check_count(tensor, max_rows, "rows")
    data = tensor.data
    if isinstance(data, list):
        data = memoryview(_bytes_of(_flat(data, tensor)))
    if len(data) != math.prod(tensor.shape):
        raise InvalidRequest(
            f"input {IMAGE!r} has {len(data)} bytes; expected {math.prod(tensor.shape)}, "
            f"one for each element of shape {list(tensor.shape)}"
        )
    return np.frombuffer(data, np.uint8).reshape(tensor.shape)


def pictures_of(asked: Asked, max_pictures: int) -> list[bytes]:
    """The encoded pictures for a pipeline.

    Args:
        asked: with a BYTES tensor `[N]`: binary, each picture behind its length, or JSON, each as
            base64. A raw one is one picture.
        max_pictures: the largest N.

    Raises:
        InvalidRequest: type, shape or data are not those of up to so many pictures.
    """
    if asked.raw is not None:
        return [bytes(asked.raw)]
    tensor = asked.input(IMAGE)
    _check_type(tensor, "BYTES")
    if len(tensor.shape) != 1:
        raise _unlike(tensor, "[N]")
    _check_count(tensor, max_pictures, "pictures")
    if isinstance(tensor.data, list):
        values = _flat(tensor.data, tensor)
        return [_decoded(index, value) for index, value in enumerate(values)]
    return _split(tensor.data, tensor)


def _check_type(tensor: InputTensor, wanted: DataType) -> None:
    if tensor.datatype != wanted:
        raise InvalidRequest(f"input {IMAGE!r} has datatype {tensor.datatype!r}; expected {wanted}")


def _check_count(tensor: InputTensor, most: int, unit: str) -> None:
    if not 1 <= tensor.shape[0] <= most:
        raise InvalidRequest(
            f"input {IMAGE!r} has shape {list(tensor.shape)}; expected 1 to {most} {unit}"
        )


def _unlike(tensor: InputTensor, wanted: str) -> InvalidRequest:
    return InvalidRequest(f"input {IMAGE!r} has shape {list(tensor.shape)}; expected {wanted}")


def _flat(data: list[Any], tensor: InputTensor) -> list[Any]:
    """The elements row by row, of lists in lists or of one list."""
    if not data or not isinstance(data[0], list):
        values = data
    else:
        values: list[Any] = [data]
        for length in tensor.shape:
            if not all(_is_list_of(length, row) for row in values):
                raise InvalidRequest(
                    f"input {IMAGE!r}: data is not nested as shape {list(tensor.shape)} says"
                )
            values = list(chain.from_iterable(values))
    if len(values) != math.prod(tensor.shape):
        raise InvalidRequest(
            f"input {IMAGE!r}: data has {len(values)} elements; expected "
            f"{math.prod(tensor.shape)} for shape {list(tensor.shape)}"
        )
    return values


def _is_list_of(length: int, value: Any) -> bool:
    return isinstance(value, list) and len(cast("list[Any]", value)) == length


def _bytes_of(values: list[Any]) -> bytes:
    # Booleans are whole numbers to Python, but not in JSON.
    if set(map(type, values)) == {int}:
        try:
            return bytes(values)
        except (ValueError, OverflowError):
            pass
    raise InvalidRequest(f"input {IMAGE!r}: data has other values than whole numbers from 0 to 255")


def _decoded(index: int, value: object) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except ValueError:
        pass
    raise InvalidRequest(f"input {IMAGE!r}: data[{index}] is no base64 text; expected a picture's")


def _split(data: memoryview, tensor: InputTensor) -> list[bytes]:
    found: list[bytes] = []
    start = 0
    for index in range(tensor.shape[0]):
        begin = start + _PREFIX_BYTES
        end = begin + int.from_bytes(data[start:begin], "little")
        if end > len(data):
            raise InvalidRequest(
                f"input {IMAGE!r}: element {index} ends behind the tensor's {len(data)} "
                "bytes; expected each element behind its length in 4 bytes"
            )
        found.append(bytes(data[begin:end]))
        start = end
    if start != len(data):
        raise InvalidRequest(
            f"input {IMAGE!r} has {len(data) - start} bytes behind its last element; "
            f"expected none after {tensor.shape[0]} elements"
        )
    return found
