"""Each kind of bad input gets its problem document, and the next request is served."""

import asyncio
import json
import struct
import zlib

import numpy as np
import pytest

from service.http.app import create_app
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect, encode

pytestmark = pytest.mark.anyio

JPEG = {"content-type": "image/jpeg"}
PNG = {"content-type": "image/png"}
BOUNDARY = "multipart/form-data; boundary=b"


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def photo() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return encode(noise, ".jpg")


def assert_problem(answer, status: int, slug: str, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert body["type"] == f"urn:stance:problem:{slug}"
    assert body["status"] == status
    assert body["instance"] == answer.headers["x-request-id"]
    for word in words:
        assert word in body["detail"]


async def assert_serves(client, picture) -> None:
    answer = await client.post("/predict", content=picture, headers=PNG)
    assert answer.status_code == 200
    assert len(answer.json()["persons"]) == 1


@pytest.mark.parametrize(
    ("data", "headers", "status", "slug", "words"),
    [
        pytest.param(b"", JPEG, 400, "malformed-request", ["body", "empty"], id="empty"),
        pytest.param(b"hello", JPEG, 415, "unsupported-media-type", [], id="text-as-jpeg"),
        pytest.param(b"hello", {}, 415, "unsupported-media-type", ["''"], id="no-content-type"),
        pytest.param(
            b"hello",
            {"content-type": "text/plain; charset=utf-8"},
            415,
            "unsupported-media-type",
            ["'text/plain'", "image/jpeg"],
            id="text",
        ),
        pytest.param(
            photo(),
            {**JPEG, "content-encoding": "gzip"},
            415,
            "unsupported-media-type",
            ["'gzip'"],
            id="compressed",
        ),
        pytest.param(photo()[:-500], JPEG, 422, "invalid-image", ["truncated"], id="truncated"),
        pytest.param(
            png_of(30_000, 30_000), PNG, 413, "image-too-large", ["900000000", "1000000"], id="huge"
        ),
        pytest.param(
            bytes(200_001), JPEG, 413, "image-too-large", ["200001", "200000"], id="many-bytes"
        ),
    ],
)
async def test_bad_body_is_a_problem(client, picture, data, headers, status, slug, words):
    answer = await client.post("/predict", content=data, headers=headers)

    assert_problem(answer, status, slug, *words)
    await assert_serves(client, picture)


async def test_stream_over_the_limit_is_cut_off_while_it_arrives(client, picture):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 10_000
            yield bytes(10_000)

    answer = await client.post("/predict", content=endless(), headers=JPEG)

    assert_problem(answer, 413, "image-too-large", "200000")
    assert sent <= 220_000
    await assert_serves(client, picture)


@pytest.mark.parametrize(
    ("parts", "status", "slug", "words"),
    [
        pytest.param(
            {"files": {"photo": b"x"}}, 422, "invalid-input", ["'photo'"], id="other-file"
        ),
        pytest.param(
            {"files": {"boxes": b"[]"}}, 422, "invalid-input", ["'image'"], id="boxes-as-file"
        ),
        pytest.param(
            {"files": {"image": (None, "x")}}, 422, "invalid-input", ["no file"], id="image-as-text"
        ),
        pytest.param(
            {"files": {"image": ("a.jpg", b"")}}, 400, "malformed-request", ["empty"], id="0-bytes"
        ),
        pytest.param(
            {"files": [("image", photo()), ("image", photo())]},
            400,
            "malformed-request",
            ["files"],
            id="two-files",
        ),
        pytest.param(
            {"files": {"image": photo()}, "data": {"boxes": "[]", "more": "1"}},
            400,
            "malformed-request",
            ["fields"],
            id="two-fields",
        ),
        pytest.param(
            {"files": {"image": photo()}, "data": {"threshold": "1"}},
            422,
            "invalid-input",
            ["'threshold'"],
            id="unknown-field",
        ),
        pytest.param(
            {"files": {"image": bytes(200_001)}},
            413,
            "image-too-large",
            ["200001"],
            id="many-bytes",
        ),
        pytest.param(
            {"files": {"image": bytes(400_000)}}, 413, "image-too-large", ["body"], id="long-body"
        ),
        pytest.param(
            {"files": {"image": b"hello"}}, 415, "unsupported-media-type", [], id="text-as-file"
        ),
        pytest.param(
            {"content": b"nonsense", "headers": {"content-type": BOUNDARY}},
            400,
            "malformed-request",
            ["malformed"],
            id="nonsense",
        ),
        pytest.param(
            {"content": b"", "headers": {"content-type": BOUNDARY}},
            400,
            "malformed-request",
            ["too early"],
            id="no-parts",
        ),
        pytest.param(
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "malformed-request",
            ["boundary"],
            id="no-boundary",
        ),
    ],
)
async def test_bad_form_is_a_problem(client, picture, parts, status, slug, words):
    answer = await client.post("/predict", **parts)

    assert_problem(answer, status, slug, *words)
    await assert_serves(client, picture)


async def test_truncated_form_is_a_problem(client, picture):
    request = client.build_request("POST", "/predict", files={"image": ("a.png", picture)})
    data = request.read()

    answer = await client.post("/predict", content=data[:300], headers=request.headers)

    assert_problem(answer, 400, "malformed-request", "too early")
    await assert_serves(client, picture)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ("", ["boxes"]),
        ("nonsense", ["boxes", "JSON"]),
        ("{}", ["boxes"]),
        ("[1, 2, 3, 4]", ["boxes[0]"]),
        ("[[1, 2, 3]]", ["boxes[0]"]),
        ("[[1, 2, 3, 4, 5]]", ["boxes[0]"]),
        ('[[1, 2, "wide", 4]]', ["boxes[0][2]"]),
        ("[[1, 2, 3, -4]]", ["boxes[0][3]", "greater than 0"]),
        ("[[1, 2, 0, 4]]", ["boxes[0][2]"]),
        ("[[NaN, 2, 3, 4]]", ["boxes[0][0]", "finite"]),
        ("[[1, 2, 3, 4], [1e999, 2, 3, 4]]", ["boxes[1][0]", "finite"]),
        ("[[1, 2, 3, 4], [5000, 2, 3, 4]]", ["boxes[1]", "640"]),
        (json.dumps([[1, 2, 3, 4]] * 101), ["boxes", "100"]),
    ],
)
async def test_malformed_boxes_are_a_problem_that_names_the_number(client, picture, boxes, words):
    answer = await client.post("/predict", files={"image": picture}, data={"boxes": boxes})

    assert_problem(answer, 422, "invalid-input", *words)
    await assert_serves(client, picture)


@pytest.mark.parametrize(
    "query",
    [
        {"max_persons": "0"},
        {"max_persons": "many"},
        {"min_person_score": "-0.1"},
        {"min_person_score": "nan"},
        {"min_keypoint_score": "-1"},
        {"min_keypoint_score": "1.1"},
        {"format": "xml"},
        {"confidence": "0.5"},
    ],
)
async def test_bad_parameter_is_a_problem_that_names_it(client, picture, query):
    answer = await client.post("/predict", content=picture, headers=PNG, params=query)

    ((name, value),) = query.items()
    assert_problem(answer, 422, "invalid-input", name, repr(value))
    await assert_serves(client, picture)


async def test_long_values_are_cut_short_in_the_problem(client):
    answer = await client.post("/predict", params={"format": "x" * 5000})

    assert len(answer.json()["detail"]) < 300


async def test_upload_that_stalls_is_given_up(estimator, picture):
    settings = Settings(workers=1, max_waiting=0, upload_timeout_s=0.05)

    async def stalls():
        yield picture[:10]
        await asyncio.Event().wait()

    async with connect(create_app(settings, Given(estimator))) as client:
        answer = await client.post("/predict", content=stalls(), headers=PNG)

        assert_problem(answer, 408, "upload-timeout", "0.05 s")
        await assert_serves(client, picture)


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/predict", 405, "method-not-allowed"),
        ("POST", "/models", 405, "method-not-allowed"),
    ],
)
async def test_wrong_route_is_a_problem(client, method, path, status, slug):
    answer = await client.request(method, path)

    assert_problem(answer, status, slug, path)


async def test_wrong_method_is_told_the_right_one(client):
    assert (await client.get("/predict")).headers["allow"] == "POST"


async def test_bad_requests_do_not_take_places(client, picture):
    for _ in range(5):
        await client.post("/predict", content=b"hello", headers=JPEG)

    metrics = (await client.get("/metrics")).text
    assert "pose_requests_inside 0.0" in metrics
    await assert_serves(client, picture)
