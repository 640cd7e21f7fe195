"""`POST /predict/video`: lines are sent while the video is worked on, for as long as one reads."""

import asyncio
import stat
import tempfile
from dataclasses import replace

import numpy as np
import pytest

from service.http.app import create_app
from service.http.video_upload import Spool
from tests.service.conftest import Given
from tests.service.http.conftest import WHITE_FRAMES as COUNT
from tests.service.http.conftest import connect, encode, until
from tests.service.http.exchange import Exchange

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("spool_dir")]

MP4 = {"content-type": "video/mp4"}


@pytest.fixture
def gated(settings, estimator, gate):
    return create_app(settings, Given(replace(estimator, detector=gate)))


async def test_frames_are_sent_while_the_video_is_worked_on(gated, gate, white):
    async with connect(gated):
        exchange = Exchange(gated, "/predict/video", [white])
        gate.let(1)
        assert await exchange.head() == 200
        assert (await exchange.line())["kind"] == "header"
        assert (await exchange.line())["frame"] == 0
        await until(lambda: len(gate.seen) == 2)

        gate.let(COUNT)
        rest = [line async for line in exchange.lines()]
        await exchange.ended()

    assert [line["kind"] for line in rest] == ["frame"] * (COUNT - 1) + ["summary"]


async def test_no_frame_is_worked_on_ahead_of_a_client_that_does_not_read(gated, gate, white):
    gate.let(1000)
    async with connect(gated) as client:
        exchange = Exchange(gated, "/predict/video", [white])
        await until(lambda: len(gate.seen) == 1)
        # Others are answered meanwhile, so there was time enough for more frames.
        for _ in range(5):
            await client.get("/models")
        assert len(gate.seen) == 1

        await exchange.head()
        await exchange.line()
        await exchange.line()
        await until(lambda: len(gate.seen) >= 2)
        for _ in range(5):
            await client.get("/models")
        assert len(gate.seen) <= 3
        exchange.hang_up()
        await exchange.ended()


@pytest.mark.parametrize("lines", [0, 2])
async def test_client_that_leaves_stops_the_work(gated, gate, white, lines):
    async with connect(gated) as client:
        exchange = Exchange(gated, "/predict/video", [white])
        await until(lambda: len(gate.seen) == 1)
        if lines:
            gate.let(1)
            await exchange.head()
            for _ in range(lines):
                await exchange.line()
            await until(lambda: len(gate.seen) == 2)
        exchange.hang_up()
        gate.let(1000)
        await exchange.ended()
        await until(lambda: gated.state.runtime.workers.running == 0)

        assert len(gate.seen) <= 2
        assert gated.state.runtime.inside == 0
        assert 'pose_videos_total{result="client-gone"} 1.0' in (await client.get("/metrics")).text


async def test_client_that_leaves_during_the_upload_leaves_nothing(gated, white):
    async with connect(gated):
        exchange = Exchange(gated, "/predict/video", [white[:100], asyncio.Event(), white[100:]])
        await until(lambda: gated.state.runtime.inside == 1)
        exchange.hang_up()
        await exchange.ended()

        assert gated.state.runtime.inside == 0


async def test_upload_is_for_the_service_alone_and_forgotten_once_it_is_open(
    gated, gate, white, spool_dir
):
    rest = asyncio.Event()
    async with connect(gated):
        exchange = Exchange(gated, "/predict/video", [white[:100], rest, white[100:]])
        await until(lambda: list(spool_dir.iterdir()) != [])
        (file,) = spool_dir.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

        rest.set()
        await until(lambda: len(gate.seen) == 1)
        # A crash from now on leaves nothing behind.
        assert list(spool_dir.iterdir()) == []
        gate.let(1000)
        await exchange.head()
        assert len([line async for line in exchange.lines()]) == COUNT + 2


async def test_large_upload_goes_to_the_disk_block_by_block(client, white, monkeypatch):
    blocks = []

    class Watched(Spool):
        def __init__(self) -> None:
            super().__init__()
            write = self.file.write
            self.file = type("File", (), {"flush": self.file.flush, "close": self.file.close})()
            self.file.write = lambda data: blocks.append(len(data)) or write(data)

    monkeypatch.setattr("service.http.video_upload.Spool", Watched)

    async def body():
        yield white
        for _ in range(5):
            yield bytes(512 * 1024)

    answer = await client.post("/predict/video?max_frames=1", content=body(), headers=MP4)

    assert answer.status_code == 200
    assert len(blocks) >= 3
    assert max(blocks) < 2 * 1024 * 1024


async def test_full_disk_is_told(client, white, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    answer = await client.post("/predict/video", content=white, headers=MP4)

    assert answer.status_code == 503
    assert "No space left on device" in answer.json()["detail"]
    assert "retry-after" in answer.headers


async def test_pictures_get_their_turn_between_frames(gated, gate, white):
    """There is one worker; a grey picture comes while a white frame is at work."""
    grey = encode(np.full((64, 64, 3), 99, np.uint8))
    async with connect(gated) as client:
        exchange = Exchange(gated, "/predict/video", [white])
        await until(lambda: len(gate.seen) == 1)
        picture = asyncio.create_task(
            client.post("/predict", content=grey, headers={"content-type": "image/png"})
        )
        await until(lambda: gated.state.runtime.workers.waiting == 1)
        assert gated.state.runtime.inside == 2

        gate.let(2)
        assert (await picture).status_code == 200
        assert gate.seen[1] == 99
        gate.let(1000)
        await exchange.head()
        assert len([line async for line in exchange.lines()]) == COUNT + 2


async def test_full_service_takes_no_video(gated, gate, white):
    async with connect(gated) as client:
        first = [Exchange(gated, "/predict/video", [white]) for _ in range(2)]
        await until(lambda: gated.state.runtime.inside == 2)

        answer = await client.post("/predict/video", content=white, headers=MP4)
        for one in first:
            one.hang_up()
        gate.let(1000)
        for one in first:
            await one.ended()

    assert answer.status_code == 503
    assert "retry-after" in answer.headers


async def test_deadline_ends_the_answer_with_a_problem(gated, gate, white):
    async with connect(gated):
        exchange = Exchange(gated, "/predict/video", [white], x_request_timeout="0.3")
        gate.let(1)
        assert await exchange.head() == 200
        *_, last = [line async for line in exchange.lines()]
        gate.let(1000)
        await exchange.ended()

    assert (last["status"], last["type"]) == (504, "urn:stance:problem:deadline-passed")


async def test_drain_gives_a_video_up_in_time_to_tell_its_client(settings, estimator, white):
    settings = settings.model_copy(update={"drain_timeout_s": 0.001})
    app = create_app(settings, Given(estimator))
    async with connect(app):
        exchange = Exchange(app, "/predict/video", [white])
        assert await exchange.head() == 200
        app.state.runtime.drain()
        await asyncio.sleep(0.002)
        *_, last = [line async for line in exchange.lines()]
        await exchange.ended()

    assert (last["status"], last["type"]) == (503, "urn:stance:problem:shutting-down")
