"""Forms, headers and addresses as no client should send them, in pieces of any size."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from service.http.uploads import Upload, read_upload
from service.inference.types import Box
from tests.service.fuzz.conftest import PNG, Answer, Caller, assert_serves, assert_told

fuzz = settings(max_examples=200, deadline=None, derandomize=True)

BOUNDARY_CHARACTERS = "abcXYZ019'()+_,-./:=?"
HEADERS = (
    b"Content-Type: image/png",
    b"content-type: application/octet-stream",
    b"Content-Transfer-Encoding: binary",
    b"X-Other: \xc3\xa9\x80",
    b"Content-Length: 3",
)
FILE_NAMES = (
    b"a.png",
    b"",
    b"../../etc/passwd",
    b"\xff\xfe",
    "пример.png".encode(),
    b"a\\b",
    b"x" * 999,
)
BOXES = "[[1, 2, 3.5, 4]]"

boundaries = st.text(BOUNDARY_CHARACTERS, min_size=1, max_size=70)


def part(name: bytes, content: bytes, file_name: bytes | None, headers: Sequence[bytes]) -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + name + b'"'
    if file_name is not None:
        disposition += b'; filename="' + file_name.replace(b'"', b"%22") + b'"'
    return b"\r\n".join([disposition, *headers, b"", content])


def form(boundary: bytes, parts: Sequence[bytes], before: bytes = b"", after: bytes = b"") -> bytes:
    line = b"--" + boundary
    body = b"".join(line + b"\r\n" + content + b"\r\n" for content in parts)
    return before + body + line + b"--\r\n" + after


def content_type(boundary: bytes, more: bytes = b"") -> tuple[tuple[bytes, bytes]]:
    return ((b"content-type", b'multipart/form-data; boundary="' + boundary + b'"' + more),)


def pieces(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read(parts: Sequence[bytes], headers: Sequence[tuple[bytes, bytes]]) -> Upload:
    """What the service makes of a body, of which the parts arrive one after the other."""
    left = list(parts)

    async def receive() -> dict[str, object]:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    scope = {"type": "http", "method": "POST", "headers": list(headers)}
    return asyncio.run(read_upload(Request(scope, receive), max_bytes=100_000, timeout_s=10))


@given(
    boundary=boundaries,
    data=st.binary(min_size=1, max_size=400),
    file_name=st.sampled_from(FILE_NAMES),
    headers=st.lists(st.sampled_from(HEADERS), unique=True, max_size=3),
    with_boxes=st.sampled_from(["before", "after", "not"]),
    after=st.sampled_from([b"", b"\r\n", b"after"]),
    places=st.lists(st.integers(0, 2000), max_size=30),
)
@fuzz
def test_picture_of_a_valid_form_is_the_one_that_was_sent(
    boundary: str,
    data: bytes,
    file_name: bytes,
    headers: list[bytes],
    with_boxes: str,
    after: bytes,
    places: list[int],
) -> None:
    line = boundary.encode()
    if b"--" + line in data:
        return
    parts = [part(b"image", data, file_name, headers)]
    if with_boxes != "not":
        parts.insert(0 if with_boxes == "before" else 1, part(b"boxes", BOXES.encode(), None, ()))

    upload = read(pieces(form(line, parts, after=after), places), content_type(line))

    assert upload.data == data
    assert upload.boxes == (None if with_boxes == "not" else (Box(1, 2, 4.5, 6),))


@pytest.mark.parametrize(
    "data", [b"\r\n--b", b"\r\n--b\r\n"[:-1], b"--b--\r\n", b"\r\n\r\n--", b"\r"]
)
def test_form_may_arrive_byte_by_byte_though_the_picture_looks_like_its_boundary(
    data: bytes,
) -> None:
    boundary = b"bound"
    body = form(boundary, [part(b"image", data, b"a", ())])

    upload = read([body[place : place + 1] for place in range(len(body))], content_type(boundary))

    assert upload.data == data


@st.composite
def broken_forms(draw: st.DrawFn, data: bytes = b"\x89PNG") -> tuple[bytes, bytes]:
    """A boundary, and a form in which something is missing, doubled or replaced."""
    boundary = draw(boundaries).encode()
    names = st.sampled_from([b"image", b"boxes", b"other", b"", b"x" * 5000, b"\xff", b'im"age'])
    inner = form(b"inner", [part(b"image", data, b"a", ())])
    contents = st.sampled_from([data, b"", b"[]", inner, b"x" * 70_000]) | st.binary(max_size=50)
    odd = st.sampled_from([*HEADERS, b"no colon", b": no name", b"\0: x", b"A: " + b"x" * 9000])
    parts = st.builds(
        part,
        names,
        contents,
        st.none() | st.sampled_from(FILE_NAMES),
        st.lists(odd, max_size=12),
    )
    body = form(
        boundary,
        draw(st.lists(parts | st.binary(max_size=60), max_size=4)),
        before=draw(st.sampled_from([b"", b"before", b"\r\n", b"--"])),
        after=draw(st.binary(max_size=20)),
    )
    place, length = draw(st.integers(0, len(body))), draw(st.integers(0, 30))
    replaced = draw(st.sampled_from([b"", b"\n", b"\r", b"\0", b"--" + boundary, b'"', b":"]))
    return boundary, body[:place] + replaced + body[place + length :]


@given(broken=broken_forms(), places=st.lists(st.integers(0, 2000), max_size=5), told=boundaries)
@fuzz
def test_broken_form_is_answered(
    caller: Caller, broken: tuple[bytes, bytes], places: list[int], told: str
) -> None:
    boundary, body = broken

    for line in (boundary, told.encode()):
        answer = caller.post(*pieces(body, places), headers=content_type(line))
        assert_told(answer)


@pytest.mark.parametrize(
    "charset",
    ["utf-16", "utf-7", "idna", "punycode", "undefined", "hex", "rot13", "mbcs", "x" * 999, "\0"],
)
@pytest.mark.parametrize("name", [b"image", b"xn--\xff" + b"x" * 99])
def test_charset_that_is_none_is_refused(
    caller: Caller, picture: bytes, charset: str, name: bytes
) -> None:
    body = form(b"b", [part(name, picture, b"a" * 99 + b".png", ())])

    answer = caller.post(body, headers=content_type(b"b", b"; charset=" + charset.encode()))

    assert_told(answer)
    assert answer.status == 400
    assert "expected utf-8" in answer.problem["detail"]


@pytest.mark.parametrize(
    "boundary", [b"", b" ", b"\0", b"\xff", b"b" * 257, b"b\r\n", b"--", b'"', b"b; boundary=c"]
)
def test_boundary_of_nonsense_is_answered(caller: Caller, picture: bytes, boundary: bytes) -> None:
    body = form(boundary, [part(b"image", picture, b"a", ())])

    assert_told(caller.post(body, headers=content_type(boundary)))
    assert_told(
        caller.post(
            body, headers=((b"content-type", b"multipart/form-data; boundary=" + boundary),)
        )
    )
    assert_serves(caller, picture)


@pytest.mark.parametrize(
    "length",
    [b"9" * 5000, b"0" * 5000, b"-1", b"+7", b"1e3", b"\xb2", b"", b" 5", b"5, 5", b"0x10"],
)
def test_announced_length_of_nonsense_is_answered(
    caller: Caller, picture: bytes, length: bytes
) -> None:
    answer = caller.post(picture, headers=[*PNG, (b"content-length", length)])

    assert_told(answer)
    assert answer.status == (413 if length.startswith(b"9") else 200)
    assert len(answer.body) < 2000


values = st.binary(max_size=80) | st.sampled_from(
    [b"", b"0", b"-1", b"nan", b"inf", b"1e999", b"9" * 5000, b"\xd9\xa3", b"\xb2", b"1_0", b"\0"]
)
names = st.sampled_from(
    [
        *(b"accept", b"accept-encoding", b"authorization", b"content-encoding", b"content-length"),
        *(b"content-type", b"cookie", b"expect", b"host", b"origin", b"range", b"te"),
        *(b"traceparent", b"transfer-encoding", b"x-api-key", b"x-forwarded-for", b"x-request-id"),
        *(b"x-request-timeout", b"if-none-match", b"access-control-request-method"),
    ]
)


@given(
    headers=st.lists(st.tuples(names, values), max_size=6),
    query=st.binary(max_size=60)
    | st.sampled_from(
        [
            b"max_persons=" + b"9" * 5000,
            b"min_person_score=nan",
            b"format=%00",
            b"pipeline=%ed%a0%80",
            b"&&&===;;;",
            b"max_persons=1&max_persons=2",
            b"%",
        ]
    ),
    path=st.sampled_from(["/predict", "/predict/batch", "/health/ready", "/models/default/load"]),
    method=st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "PUT"]),
)
@fuzz
def test_headers_and_queries_of_any_bytes_are_answered(
    caller: Caller,
    picture: bytes,
    headers: list[tuple[bytes, bytes]],
    query: bytes,
    path: str,
    method: str,
) -> None:
    answer = caller.post(picture, path=path, method=method, headers=[*PNG, *headers], query=query)

    if answer.status == 504:
        # The deadline that was asked for was too short.
        assert b"x-request-timeout" in dict(headers)
        return
    assert_told(answer)


@given(path=st.text(max_size=40).map(lambda text: "/" + text))
@fuzz
def test_paths_of_any_characters_are_answered(caller: Caller, path: str) -> None:
    answer = caller.post(path=path.encode(errors="replace").decode(), method="GET")

    # Starlette takes an end of line for the end of the path.
    if path.rstrip("\n") != "/":
        assert_told(answer)


@given(
    boxes=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=20,
    ).map(json.dumps)
    | st.text(max_size=40)
    | st.sampled_from(["[" * 30_000, "[[" + "9" * 30_000 + ",1,1,1]]", "[[1e400,1,1,1]]", "\ud800"])
)
@fuzz
def test_boxes_of_any_json_are_answered(caller: Caller, picture: bytes, boxes: str) -> None:
    text = boxes.encode(errors="surrogatepass")
    body = form(b"zz-z", [part(b"image", picture, b"a", ()), part(b"boxes", text, None, ())])

    answer: Answer = caller.post(body, headers=content_type(b"zz-z"))

    assert_told(answer)
