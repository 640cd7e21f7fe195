"""Videos and streams through real sockets, and what is left of them."""

import asyncio
import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from service.client import AsyncClient, Client, StanceProblem
from tests.e2e.conftest import Launch, Server
from tests.service import video_files
from tests.service.http.conftest import encode

COUNT = 8
LONG = 3000


@pytest.fixture
def video(tmp_path: Path) -> Path:
    pictures = [np.full((128, 128, 3), 255, np.uint8)] * COUNT
    return video_files.write(tmp_path / "white.mp4", pictures)


@pytest.fixture
def long_video(tmp_path: Path) -> bytes:
    """More lines than all buffers between here and there hold."""
    pictures = [np.full((64, 64, 3), 255, np.uint8)] * LONG
    return video_files.write(tmp_path / "long.mp4", pictures, 250).read_bytes()


@pytest.fixture
def spooling(launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose temporary files lie in a folder of their own."""
    (tmp_path / "spool").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "spool"))
    return launch(workers=1, max_waiting=4, max_upload_bytes=100_000).wait_until_ready()


def white() -> bytes:
    return encode(np.full((128, 128, 3), 255, np.uint8), ".jpg")


def closing_code(stream) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        stream.recv(20)
    return caught.value.rcvd.code


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def counted(server: Server, line: str) -> bool:
    return line in server.client.get("/metrics").text


def test_clients_get_frame_after_frame(server: Server, video: Path) -> None:
    with Client(address(server)) as client:
        frames = list(client.predict_video(video, max_frames=3))
        assert [frame.frame for frame in frames] == [0, 1, 2]
        assert [one.track_id for one in frames[2].persons] == [1, 2]
        with pytest.raises(StanceProblem, match="begins with"):
            list(client.predict_video(__file__))

    async def ask() -> list[int]:
        async with AsyncClient(address(server)) as client:
            answer = client.predict_video(video, every=4, track=False)
            return [frame.frame async for frame in answer]

    assert asyncio.run(ask()) == [0, 4]


def test_client_that_does_not_read_holds_the_work_up_and_leaves_nothing(
    spooling: Server, long_video: bytes, tmp_path: Path
) -> None:
    head = (
        "POST /predict/video HTTP/1.1\r\nHost: test\r\nContent-Type: video/mp4\r\n"
        f"Content-Length: {len(long_video)}\r\n\r\n"
    )
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", spooling.port))
    slow.sendall(head.encode() + long_video)
    until(lambda: counted(spooling, "pose_requests_inside 1.0"))
    until(lambda: counted(spooling, "pose_workers_busy 0.0") and not_moving(spooling))
    answered = frames_of(spooling)

    assert 1 <= answered < LONG
    slow.close()
    until(lambda: counted(spooling, 'pose_videos_total{result="client-gone"} 1.0'))
    until(lambda: counted(spooling, "pose_requests_inside 0.0"))
    assert list((tmp_path / "spool").iterdir()) == []


def frames_of(server: Server) -> int:
    lines = server.client.get("/metrics").text.splitlines()
    name = 'pose_frames_total{result="answered",source="video"} '
    return sum(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))


def not_moving(server: Server) -> bool:
    before = frames_of(server)
    time.sleep(0.3)
    return frames_of(server) == before > 0


def test_stream_answers_and_refuses(spooling: Server) -> None:
    url = f"ws://127.0.0.1:{spooling.port}/stream"
    with connect(url, subprotocols=["stance.v1"]) as stream:
        assert stream.subprotocol == "stance.v1"
        # A small message could unpack to anything.
        assert "sec-websocket-extensions" not in stream.response.headers
        stream.send(json.dumps({"max_persons": 1}))
        assert json.loads(stream.recv(10))["kind"] == "options"
        for number in range(2):
            stream.send(white())
            answer = json.loads(stream.recv(10))
            assert (answer["frame"], answer["persons"][0]["track_id"]) == (number, 1)
        stream.send(b"no picture")
        assert json.loads(stream.recv(10))["status"] == 415
        stream.send(bytes(100_001))
        assert closing_code(stream) == 1009
    with connect(url, origin="https://evil.example") as stream:
        assert json.loads(stream.recv(10))["status"] == 403
        assert closing_code(stream) == 1008
    until(lambda: counted(spooling, "pose_streams 0.0"))


def test_upgrade_of_another_path_is_declined_as_before(server: Server) -> None:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }

    assert server.client.get("/health/live", headers=headers).status_code == 200


def test_sigterm_closes_streams_and_gives_up_a_video_in_time(
    launch: Launch, long_video: bytes
) -> None:
    server = launch(workers=1, drain_timeout_s=2, max_waiting=4).wait_until_ready()
    with (
        connect(f"ws://127.0.0.1:{server.port}/stream") as stream,
        server.client.stream(
            "POST", "/predict/video", content=long_video, headers={"content-type": "video/mp4"}
        ) as answer,
    ):
        lines = answer.iter_lines()
        assert json.loads(next(lines))["kind"] == "header"
        server.terminate()
        assert closing_code(stream) == 1001
        last = json.loads(list(lines)[-1])
        # Quick machines are done with it before the time is up.
        assert last.get("kind") == "summary" or last["type"].endswith("shutting-down")

    code, _ = server.leave()
    assert code == 0
