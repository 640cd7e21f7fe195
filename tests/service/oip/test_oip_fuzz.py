"""Whatever is sent, the parser of inference requests gives tensors or a reason."""

import contextlib
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.inference.errors import PoseError
from service.inference.types import Size
from service.oip.compression import decompressed
from service.oip.request import parse_request
from service.oip.tensors import pictures_of, pixels_of

SIZE = Size(height=2, width=2)
MEMBERS = (
    *("id", "parameters", "inputs", "outputs", "name", "shape", "datatype", "data", "image"),
    *("binary_data_size", "binary_data", "binary_data_output", "timeout", "UINT8", "BYTES"),
)
words = st.sampled_from(MEMBERS) | st.text(max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
small = st.integers(min_value=-1, max_value=30)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "image", "other"]),
        "shape": st.lists(small, max_size=4) | st.just([1, 2, 2, 3]),
        "datatype": st.sampled_from(["UINT8", "BYTES", "FP32"]),
    },
    optional={
        "data": documents | st.lists(st.integers(0, 255), min_size=12, max_size=12),
        "parameters": st.fixed_dictionaries({"binary_data_size": small | scalars}) | documents,
    },
)
requests = documents | st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=2)},
    optional={
        "id": scalars,
        "parameters": st.dictionaries(words, scalars, max_size=3),
        "outputs": st.lists(st.fixed_dictionaries({"name": words}), max_size=3) | documents,
    },
)
numbers = st.integers(0, 255)


@st.composite
def nearly_right(draw) -> tuple[dict, bytes]:
    """A tensor that fits one of the models or misses by little, and what is behind its JSON."""
    rows = draw(st.integers(0, 4))
    count = rows * 12 + draw(st.sampled_from([0, 0, -1, 1]))
    datatype = draw(st.sampled_from(["UINT8", "BYTES"]))
    shape = [rows, 2, 2, 3] if datatype == "UINT8" else [rows]
    tensor = {"name": "image", "shape": shape, "datatype": datatype}
    if draw(st.booleans()):
        behind = draw(st.binary(min_size=max(0, count), max_size=max(0, count)))
        if datatype == "BYTES":
            # Short lengths, so that some elements end where they should.
            behind = behind.translate(bytes(value % 3 for value in range(256)))
        return {**tensor, "parameters": {"binary_data_size": len(behind)}}, behind
    data = draw(st.lists(numbers, min_size=max(0, count), max_size=max(0, count)))
    if data and draw(st.booleans()):
        data[draw(st.integers(0, len(data) - 1))] = draw(scalars | st.just([0]))
    if draw(st.booleans()):
        data = [data[start : start + 3] for start in range(0, len(data), 3)]
    return {**tensor, "data": data}, b""


def judge(body: bytes, json_bytes: int | None) -> None:
    """Parses for both kinds of models; what is not refused has the promised form."""
    try:
        asked = parse_request(body, json_bytes, max_json_bytes=10_000)
    except PoseError:
        return
    with contextlib.suppress(PoseError):
        assert set(asked.wanted(["boxes", "scores"])) <= {"boxes", "scores"}
    with contextlib.suppress(PoseError):
        pixels = pixels_of(asked, [SIZE], 3)
        assert pixels.dtype == np.uint8
        assert 1 <= len(pixels) <= 3
        assert pixels.shape[1:] == (2, 2, 3)
        if asked.raw is None:
            assert pixels.shape == asked.input("image").shape
    with contextlib.suppress(PoseError):
        pictures = pictures_of(asked, 3)
        assert 1 <= len(pictures) <= 3
        if asked.raw is None and not isinstance(asked.input("image").data, list):
            packed = sum(4 + len(picture) for picture in pictures)
            assert packed == len(asked.input("image").data)


@given(st.binary(max_size=200), st.none() | st.integers(0, 210))
def test_any_bytes_are_refused_with_a_reason(body, json_bytes):
    judge(body, json_bytes)


@given(requests, st.binary(max_size=40), st.sampled_from([None, 0, -1, 1]))
def test_any_json_is_parsed_or_refused_with_a_reason(document, behind, shift):
    text = json.dumps(document).encode()

    judge(text + behind, None if shift is None else max(0, len(text) + shift))
    judge(text + behind, len(text))


@given(nearly_right())
def test_what_is_nearly_right_is_taken_or_refused_with_a_reason(sent):
    tensor, behind = sent
    text = json.dumps({"inputs": [tensor]}).encode()

    judge(text + behind, len(text))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=3), st.text())
def test_binary_pictures_arrive_as_they_were_sent(given_pictures, request_id):
    packed = b"".join(len(text).to_bytes(4, "little") + text for text in given_pictures)
    document = {
        "id": request_id,
        "inputs": [
            {
                "name": "image",
                "shape": [len(given_pictures)],
                "datatype": "BYTES",
                "parameters": {"binary_data_size": len(packed)},
            }
        ],
    }
    text = json.dumps(document).encode()

    asked = parse_request(text + packed, len(text), max_json_bytes=10_000)

    assert asked.id == request_id
    assert pictures_of(asked, 3) == given_pictures


@given(st.binary(max_size=100), st.sampled_from(["gzip", "deflate", "br", ""]))
def test_any_bytes_are_decompressed_or_refused(body, encoding):
    with contextlib.suppress(PoseError):
        assert len(decompressed(body, encoding, 50)) <= 50
