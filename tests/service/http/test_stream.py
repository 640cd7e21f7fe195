"""`WS /stream`: pictures in, people out."""

import asyncio
import base64
from dataclasses import replace

import numpy as np
import pytest

from service.http.app import create_app
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect, encode, until
from tests.service.http.socket_client import Socket

pytestmark = pytest.mark.anyio

KEY = "user-key-0123456789"
ENCODED_KEY = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")


@pytest.fixture
def white() -> bytes:
    """A JPEG in which the detector sees two people."""
    return encode(np.full((128, 128, 3), 255, np.uint8), ".jpg")


@pytest.fixture
async def app(settings, estimator):
    app = create_app(settings, Given(estimator))
    async with connect(app):
        yield app


@pytest.fixture
async def gated(settings, estimator, gate):
    app = create_app(settings, Given(replace(estimator, detector=gate)))
    async with connect(app):
        yield app


async def test_each_picture_is_answered_and_people_keep_their_numbers(app, white):
    async with Socket(app) as socket:
        for number in range(3):
            socket.send(white)
            answer = await socket.answer()
            assert (answer["kind"], answer["frame"], answer["dropped"]) == ("frame", number, 0)
            assert answer["image"] == {"width": 128, "height": 128}
            assert [one["track_id"] for one in answer["persons"]] == [1, 2]
            assert answer["timings_ms"]["total"] > 0
    assert app.state.runtime.streams.inside == 0


async def test_each_connection_counts_for_itself(app, white):
    async with Socket(app) as first, Socket(app) as second:
        assert app.state.runtime.streams.inside == 2
        for socket in (first, second):
            socket.send(white)
            assert (await socket.answer())["persons"][0]["track_id"] == 1


async def test_pictures_that_came_too_fast_are_dropped(gated, gate, white):
    async with Socket(gated) as socket:
        socket.send(white)
        await until(lambda: len(gate.seen) == 1)
        for _ in range(4):
            socket.send(white)
        await socket.taken()
        gate.let(1000)

        first, last = await socket.answer(), await socket.answer()

    # The newest is what counts; the three in between are of no use any more.
    assert (first["frame"], last["frame"], last["dropped"]) == (0, 4, 3)
    assert len(gate.seen) == 2


async def test_options_count_for_the_pictures_after_them(app, white):
    async with Socket(app) as socket:
        socket.send({"max_persons": 1})
        answer = await socket.answer()
        assert answer["kind"] == "options"
        assert (answer["options"]["max_persons"], answer["options"]["track"]) == (1, True)
        assert answer["keypoints"][0] == "nose"
        socket.send(white)
        assert len((await socket.answer())["persons"]) == 1

        socket.send({"track": False, "smooth": False})
        await socket.answer()
        socket.send(white)
        (first, _) = (await socket.answer())["persons"]
        assert "track_id" not in first


async def test_numbers_are_not_given_again_after_new_options(app, white):
    async with Socket(app) as socket:
        socket.send(white)
        await socket.answer()
        socket.send({"smooth": False})
        await socket.answer()
        socket.send(white)

        assert [one["track_id"] for one in (await socket.answer())["persons"]] == [3, 4]


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("{", 422, "not valid"),
        ('{"colour": "red"}', 422, "colour"),
        ('{"max_persons": 101}', 422, "POSE_MAX_PERSONS"),
        ('{"track": false, "smooth": true}', 422, "track"),
        ('{"pipeline": "none"}', 404, "none"),
        ('"' + "x" * 20_000 + '"', 422, "characters"),
    ],
)
async def test_wrong_options_are_told_and_harm_nothing(app, white, text, status, said):
    async with Socket(app) as socket:
        socket.send(text)
        problem = await socket.answer()
        socket.send(white)

        assert (await socket.answer())["kind"] == "frame"
    assert problem["status"] == status
    assert said in problem["detail"]
    assert "frame" not in problem


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"no picture", 415),
        (encode(np.zeros((64, 64, 3), np.uint8), ".jpg")[:300], 422),
        (bytes(200_001), 413),
        (encode(np.zeros((1001, 1000, 3), np.uint8), ".jpg"), 413),
    ],
)
async def test_bad_picture_is_a_problem_and_the_next_one_is_answered(app, white, data, status):
    async with Socket(app) as socket:
        socket.send(data)
        problem = await socket.answer()
        socket.send(white)
        answer = await socket.answer()

    assert (problem["status"], problem["frame"]) == (status, 0)
    assert (answer["kind"], answer["frame"]) == ("frame", 1)


async def test_full_queue_refuses_a_picture_and_not_the_stream(settings, estimator, gate, white):
    settings = settings.model_copy(update={"max_waiting": 0})
    app = create_app(settings, Given(replace(estimator, detector=gate)))
    async with connect(app) as client, Socket(app) as socket:
        other = asyncio.create_task(
            client.post("/predict", content=white, headers={"content-type": "image/jpeg"})
        )
        await until(lambda: len(gate.seen) == 1)
        socket.send(white)
        problem = await socket.answer()
        gate.let(1000)
        await other
        socket.send(white)

        assert (problem["status"], problem["frame"]) == (503, 0)
        assert (await socket.answer())["frame"] == 1


async def test_late_picture_is_a_problem_and_later_ones_are_followed(
    settings, estimator, gate, white
):
    settings = settings.model_copy(update={"request_timeout_s": 0.2, "workers": 2})
    app = create_app(settings, Given(replace(estimator, detector=gate)))
    async with connect(app), Socket(app) as socket:
        socket.send(white)
        problem = await socket.answer()
        gate.let(1000)
        socket.send(white)
        answer = await socket.answer()

    assert (problem["status"], problem["frame"]) == (504, 0)
    assert [one["track_id"] for one in answer["persons"]] == [1, 2]


async def test_client_that_leaves_stops_the_work(gated, gate, white):
    async with Socket(gated) as socket:
        socket.send(white)
        await until(lambda: len(gate.seen) == 1)
        socket.send(white)
        await socket.taken()
    gate.let(1000)
    await until(lambda: gated.state.runtime.workers.running == 0)

    assert len(gate.seen) == 1
    assert gated.state.runtime.streams.inside == 0


async def refused(app, **options) -> tuple[int, dict]:
    async with Socket(app, **options) as socket:
        problem = await socket.answer()
        return await socket.closed(), problem


async def test_one_stream_too_many_is_told_to_come_again(settings, estimator, white):
    app = create_app(settings.model_copy(update={"max_streams": 1}), Given(estimator))
    async with connect(app), Socket(app) as first:
        code, problem = await refused(app)
        first.send(white)
        assert (await first.answer())["kind"] == "frame"

    assert (code, problem["status"]) == (1013, 503)


async def test_stream_is_refused_until_the_networks_are_there(settings):
    app = create_app(settings, Given(lambda _: (_ for _ in ()).throw(AssertionError)))

    code, problem = await refused(app)

    assert (code, problem["status"]) == (1013, 503)


async def test_drain_closes_streams(app, white):
    async with Socket(app) as socket:
        socket.send(white)
        await socket.answer()
        app.state.runtime.drain()

        assert await socket.closed() == 1001
        code, problem = await refused(app)
    assert (code, problem["type"]) == (1001, "urn:stance:problem:shutting-down")
    assert app.state.runtime.streams.inside == 0


async def test_idle_stream_is_closed(settings, estimator):
    app = create_app(settings.model_copy(update={"stream_idle_timeout_s": 0.1}), Given(estimator))
    async with connect(app), Socket(app) as socket:
        assert await socket.closed() == 1000


@pytest.fixture
async def locked(estimator):
    app = create_app(Settings(workers=1, api_keys=KEY), Given(estimator))
    async with connect(app):
        yield app


@pytest.mark.parametrize(
    "options",
    [
        {"x_api_key": KEY},
        {"authorization": f"Bearer {KEY}"},
        {"subprotocols": ["stance.v1", f"stance.key.{ENCODED_KEY}"]},
    ],
)
async def test_key_comes_as_a_header_or_a_subprotocol(locked, white, options):
    async with Socket(locked, **options) as socket:
        # The one with the key is not repeated.
        assert socket.accepted.get("subprotocol") in (None, "stance.v1")
        socket.send(white)
        assert (await socket.answer())["kind"] == "frame"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"x_api_key": "another-key-0123456"},
        {"subprotocols": ["stance.v1"]},
        {"subprotocols": ["stance.v1", "stance.key.!"]},
        {"subprotocols": ["stance.v1", "stance.key."]},
    ],
)
async def test_stream_without_a_known_key_is_closed(locked, options):
    code, problem = await refused(locked, **options)

    assert (code, problem["type"]) == (1008, "urn:stance:problem:unauthorized")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://test", "test"),
        ("https://test", "test"),
        ("https://test:8443", "test:8443"),
        ("https://friend.example", "test"),
    ],
)
async def test_pages_of_the_service_and_of_allowed_origins_may_open_a_stream(
    estimator, white, origin, host
):
    settings = Settings(workers=1, cors_origins="https://friend.example")
    app = create_app(settings, Given(estimator))
    async with connect(app), Socket(app, origin=origin, host=host) as socket:
        socket.send(white)
        assert (await socket.answer())["kind"] == "frame"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://test.evil.example", "http://test:81", "null", "http://[", ""],
)
async def test_pages_of_other_origins_may_not(app, origin):
    code, problem = await refused(app, origin=origin)

    assert (code, problem["type"]) == (1008, "urn:stance:problem:forbidden")


async def test_frames_and_streams_are_counted(settings, estimator, gate, white):
    app = create_app(settings, Given(replace(estimator, detector=gate)))
    async with connect(app) as client:
        async with Socket(app) as socket:
            socket.send(white)
            await until(lambda: len(gate.seen) == 1)
            socket.send(white)
            socket.send(white)
            await socket.taken()
            open_now = (await client.get("/metrics")).text
            gate.let(1000)
            await socket.answer()
            await socket.answer()
        metrics = (await client.get("/metrics")).text

    assert "pose_streams 1.0" in open_now
    assert 'pose_frames_total{result="answered",source="stream"} 2.0' in metrics
    assert 'pose_frames_total{result="dropped",source="stream"} 1.0' in metrics
    assert 'pose_streams_closed_total{code="1005"} 1.0' in metrics
