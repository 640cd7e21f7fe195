"""The parser of inference requests: a body and the length of its JSON in, tensors out."""

import base64
import json
import re

import numpy as np
import pytest

from service.inference.errors import ImageTooLarge
from service.inference.types import Size
from service.oip.errors import InvalidRequest
from service.oip.request import parse_request
from service.oip.tensors import pictures_of, pixels_of

LIMIT = 1_000_000
SIZE = Size(height=2, width=3)
PIXELS = np.arange(18, dtype=np.uint8).reshape(1, 2, 3, 3)


def tensor(**changes) -> dict:
    """A JSON tensor of pixels, or with some members replaced; those that are None are left out."""
    members = {
        "name": "image",
        "shape": [1, 2, 3, 3],
        "datatype": "UINT8",
        "data": PIXELS.ravel().tolist(),
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def binary(size, **changes) -> dict:
    return tensor(**{"data": None, "parameters": {"binary_data_size": size}, **changes})


def parse(document, behind=b"", *, json_bytes=None):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    if json_bytes is None and behind:
        json_bytes = len(text)
    return parse_request(text + behind, json_bytes, max_json_bytes=LIMIT)


def pixels(document, behind=b"", max_rows=4):
    return pixels_of(parse({"inputs": [document]}, behind), [SIZE], max_rows)


def pictures(document, behind=b"", max_pictures=4):
    return pictures_of(parse({"inputs": [document]}, behind), max_pictures)


@pytest.mark.parametrize("data", [PIXELS.ravel().tolist(), PIXELS.tolist()])
def test_pixels_may_be_nested_or_flat(data):
    np.testing.assert_array_equal(pixels(tensor(data=data)), PIXELS)


def test_pixels_may_be_binary():
    np.testing.assert_array_equal(pixels(binary(18), PIXELS.tobytes()), PIXELS)


def test_raw_body_is_as_many_pictures_as_it_has_bytes_for():
    asked = parse_request(PIXELS.tobytes() * 2, 0, max_json_bytes=LIMIT)

    np.testing.assert_array_equal(pixels_of(asked, [SIZE], 4), np.concatenate([PIXELS] * 2))
    assert asked.wanted(["boxes"]) == {"boxes": True}


@pytest.mark.parametrize("shape", [[1, 2, 3, 3], [1, 3, 2, 3]])
def test_pixels_may_have_any_size_of_the_network(shape):
    asked = parse({"inputs": [tensor(shape=shape)]})

    found = pixels_of(asked, [SIZE, Size(height=3, width=2)], 4)

    np.testing.assert_array_equal(found, PIXELS.reshape(shape))


def test_sizes_of_the_network_are_named_where_another_is_given():
    asked = parse({"inputs": [tensor(shape=[1, 6, 1, 3])]})

    with pytest.raises(InvalidRequest, match=r"\[N, 2, 3, 3\] or \[N, 3, 2, 3\]"):
        pixels_of(asked, [SIZE, Size(height=3, width=2)], 4)


def test_raw_body_of_another_size_is_refused():
    asked = parse_request(PIXELS.tobytes() + b"x", 0, max_json_bytes=LIMIT)

    with pytest.raises(InvalidRequest, match="19 bytes; expected 18"):
        pixels_of(asked, [SIZE], 4)


def test_raw_body_is_one_picture():
    assert pictures_of(parse_request(b"jpeg", 0, max_json_bytes=LIMIT), 4) == [b"jpeg"]


def test_pictures_are_binary_behind_their_lengths_or_base64_in_json():
    given = [b"first", b"", b"\xff\xd8third"]
    packed = b"".join(len(text).to_bytes(4, "little") + text for text in given)
    texts = [base64.b64encode(text).decode() for text in given]
    as_bytes = binary(len(packed), shape=[3], datatype="BYTES")

    assert pictures(as_bytes, packed) == given
    assert pictures(tensor(shape=[3], datatype="BYTES", data=texts)) == given


def test_id_parameters_and_wanted_outputs_are_read():
    asked = parse(
        {
            "id": "42",
            "parameters": {"binary_data_output": True, "max_persons": 3},
            "inputs": [tensor()],
            "outputs": [{"name": "b", "parameters": {"binary_data": False}}, {"name": "a"}],
            "model_name": "is told by the path",
        }
    )

    assert asked.id == "42"
    assert asked.parameters == {"max_persons": 3}
    assert asked.wanted(["a", "b", "c"]) == {"b": False, "a": True}
    assert list(asked.wanted(["a", "b", "c"])) == ["b", "a"]


@pytest.mark.parametrize("outputs", [{}, {"outputs": []}, {"outputs": None}])
def test_all_outputs_are_wanted_unless_some_are_named(outputs):
    asked = parse({"inputs": [tensor()], **outputs})

    assert asked.wanted(["a", "b"]) == {"a": False, "b": False}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "malformed"),
        (b"\xff", "not valid JSON"),
        (b"[" * 1_000, "not valid JSON"),
        (b'"\xff"', "not valid JSON"),
        ({}, "inputs"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [{"name": "image"}]}, "shape"),
        ({"inputs": [tensor(shape=[-1, 2])]}, "shape"),
        ({"inputs": [tensor(shape=[1.0])]}, "shape"),
        ({"inputs": [tensor(shape=[2**64])]}, "shape"),
        ({"inputs": [tensor(shape=[1] * 9)]}, "shape"),
        ({"inputs": [tensor(datatype=8)]}, "datatype"),
        ({"inputs": [tensor(data="text")]}, "data"),
        ({"inputs": [tensor(data=None)]}, "neither"),
        ({"inputs": [tensor(parameters={"binary_data_size": 0})]}, "both"),
        ({"inputs": [tensor(parameters={"shared_memory_region": "x"})]}, "shared_memory_region"),
        ({"inputs": [tensor(), tensor()]}, "twice"),
        ({"inputs": [tensor()], "outputs": [{"name": "a"}, {"name": "a"}]}, "twice"),
        (
            {"inputs": [tensor()], "outputs": [{"name": "a", "parameters": {"binary_data": 1}}]},
            "true or false",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "a", "parameters": {"classification": 1}}]},
            "classification",
        ),
        ({"inputs": [tensor()], "parameters": {"binary_data_output": "yes"}}, "true or false"),
        ({"inputs": [tensor()], "parameters": {"nested": {}}}, "parameters"),
        ({"inputs": [tensor()], "id": 5}, "id"),
        ({"inputs": [tensor(name="x" * 5000)]}, "name"),
        ({"inputs": [tensor(datatype="x" * 5000)]}, "datatype"),
        ({"inputs": [tensor()], "outputs": [{"name": "x" * 5000}]}, "name"),
        ({"inputs": [tensor()], "parameters": {"x" * 5000: 1}}, "parameters"),
        ({"inputs": [tensor()], "parameters": {"a": "x" * 5000}}, "parameters"),
    ],
)
def test_what_is_no_request_is_refused_with_the_reason(document, words):
    with pytest.raises(InvalidRequest, match=words) as caught:
        parse(document)

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("sizes", "behind", "words"),
    [
        ([18], b"", "0 to 0"),
        ([19], bytes(18), "0 to 18"),
        ([17], bytes(18), "18 bytes follow"),
        ([-1], bytes(18), "-1"),
        ([True], bytes(18), "True"),
        (["18"], bytes(18), "'18'"),
        ([1.5], bytes(18), "1.5"),
        ([10, 10], bytes(18), "0 to 8"),
        ([2**63], bytes(18), "0 to 18"),
    ],
)
def test_binary_sizes_must_cover_what_is_behind_the_json(sizes, behind, words):
    inputs = [binary(size, name=f"image{index}") for index, size in enumerate(sizes)]

    with pytest.raises(InvalidRequest, match=words):
        parse({"inputs": inputs}, behind)


MANY = 100_000


@pytest.mark.parametrize(
    "document",
    [
        b'{"inputs":[' + b"1," * MANY + b"1]}",
        b'{"inputs":[],"outputs":[' + b"1," * MANY + b"1]}",
        b'{"inputs":[{"name":"image","datatype":"X","shape":[' + b'"",' * MANY + b'""]}]}',
        b'{"parameters":{' + b",".join(b'"%d":null' % index for index in range(MANY)) + b"}}",
        b'{"inputs":[' + b"{}," * MANY + b"{}]}",
        b'{"inputs":[{"data":[' + b"[[]]," * MANY + b"0]}]}",
    ],
    ids=["inputs", "outputs", "shape", "parameters", "objects", "lists"],
)
def test_small_body_that_would_cost_much_is_refused_as_a_whole(document):
    with pytest.raises(InvalidRequest) as caught:
        parse_request(document, None, max_json_bytes=10_000_000)

    # To tell each wrong member apart takes seconds and gigabytes.
    assert not re.search(r"and \d{3,} more", str(caught.value))


def test_json_longer_than_the_body_is_refused():
    with pytest.raises(InvalidRequest, match=r"is 99; the body has \d+ bytes"):
        parse({"inputs": []}, json_bytes=99)


def test_json_over_the_limit_is_not_parsed():
    with pytest.raises(ImageTooLarge, match="max_json_bytes"):
        parse(b"[" * (LIMIT + 1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "input"}, "only 'image'"),
        ({"datatype": "FP32"}, "'FP32'; expected UINT8"),
        ({"shape": [18]}, r"\[18\]; expected \[N, 2, 3, 3\]"),
        ({"shape": [1, 3, 2, 3]}, r"expected \[N, 2, 3, 3\]"),
        ({"shape": [0, 2, 3, 3], "data": []}, "1 to 4 rows"),
        ({"shape": [5, 2, 3, 3]}, "1 to 4 rows"),
        ({"shape": [2**62, 2, 3, 3]}, "1 to 4 rows"),
        ({"data": []}, "0 elements; expected 18"),
        ({"data": [0] * 17}, "17 elements; expected 18"),
        ({"data": [PIXELS.tolist()]}, "not nested"),
        ({"data": [[[[0] * 3] * 3] * 3]}, "not nested"),
        ({"data": [[[[0, 0], [0] * 4] * 3] * 2]}, "not nested"),
        ({"data": [[0] * 18]}, "not nested"),
        ({"data": [0] * 17 + [256]}, "0 to 255"),
        ({"data": [0] * 17 + [-1]}, "0 to 255"),
        ({"data": [0] * 17 + [10**30]}, "0 to 255"),
        ({"data": [0] * 17 + [0.5]}, "0 to 255"),
        ({"data": [0] * 17 + [float("nan")]}, "0 to 255"),
        ({"data": [0] * 17 + [True]}, "0 to 255"),
        ({"data": [0] * 17 + [None]}, "0 to 255"),
        ({"data": [0] * 17 + ["x" * 10_000]}, "0 to 255"),
        ({"data": [0] * 17 + [[0]]}, "0 to 255"),
    ],
)
def test_pixels_that_do_not_fit_the_network_are_refused(changes, words):
    with pytest.raises(InvalidRequest, match=words):
        pixels(tensor(**changes))


def test_binary_pixels_of_another_length_are_refused():
    with pytest.raises(InvalidRequest, match="17 bytes; expected 18"):
        pixels(binary(17), bytes(17))


@pytest.mark.parametrize(
    ("shape", "data", "words"),
    [
        ([1, 1], ["eA=="], r"expected \[N\]"),
        ([], ["eA=="], r"expected \[N\]"),
        ([0], [], "1 to 4 pictures"),
        ([5], ["eA=="] * 5, "1 to 4 pictures"),
        ([2], ["eA=="], "1 elements"),
        ([1], ["no base64!"], r"data\[0\]"),
        ([1], ["ä"], r"data\[0\]"),
        ([2], ["eA==", 5], r"data\[1\]"),
    ],
)
def test_pictures_that_are_none_are_refused(shape, data, words):
    with pytest.raises(InvalidRequest, match=words):
        pictures(tensor(shape=shape, datatype="BYTES", data=data))


@pytest.mark.parametrize(
    ("shape", "packed", "words"),
    [
        ([1], b"", "element 0"),
        ([1], b"\x01\x00", "element 0"),
        ([1], b"\x02\x00\x00\x00x", "element 0"),
        ([1], b"\xff\xff\xff\xffx", "element 0"),
        ([1], b"\x01\x00\x00\x00xy", "1 bytes behind"),
        ([1], b"\x00\x00\x00\x00" * 2, "4 bytes behind"),
        ([2], b"\x01\x00\x00\x00x", "element 1"),
    ],
)
def test_binary_pictures_must_be_as_their_lengths_say(shape, packed, words):
    document = binary(len(packed), shape=shape, datatype="BYTES")
    text = json.dumps({"inputs": [document]}).encode()

    with pytest.raises(InvalidRequest, match=words):
        pictures_of(parse(text, packed, json_bytes=len(text)), 4)
