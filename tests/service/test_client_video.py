"""What the clients send of a video, and what they make of lines; no server is needed."""

import asyncio
import json

import httpx
import pytest

from service.client import AsyncClient, StanceProblem, UnexpectedAnswer, Unreachable
from service.inference.errors import InvalidInput
from tests.service.test_client import PROBLEM, Server, busy

TIMINGS = {"decode": 1, "detect": 2, "keypoints": 3, "queue": 4, "total": 10}
MODEL = {"pipeline": "default", "detector": "d/1", "keypoints": "k/1"}
HEADER = {
    "kind": "header",
    "fps": 25,
    "image": {"width": 4, "height": 3},
    "model": MODEL,
    "keypoints": ["nose"],
    "edges": [],
}
FRAME = {
    "kind": "frame",
    "frame": 0,
    "time_s": 0.5,
    "persons": [
        {
            "score": 0.5,
            "box": {"x": 0, "y": 0, "width": 1, "height": 2},
            "keypoints": [{"name": "nose", "x": 1.5, "y": 0.5, "score": 0.75}],
            "track_id": 7,
        }
    ],
    "timings_ms": TIMINGS,
}
SUMMARY = {
    "kind": "summary",
    "frames": 1,
    "frames_read": 1,
    "seconds": 0.5,
    "tracks": 1,
    "timings_ms": TIMINGS,
}


def lines(*documents: object) -> httpx.Response:
    text = "".join(json.dumps(document) + "\n" for document in documents)
    return httpx.Response(200, text=text, headers={"content-type": "application/x-ndjson"})


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"video" * 100_000)
    return path


def test_frames_come_as_documents(clip):
    server = Server(lines(HEADER, FRAME, SUMMARY))

    (frame,) = server.client().predict_video(clip)

    assert (frame.time_s, frame.persons[0].track_id) == (0.5, 7)
    (request,) = server.requests
    assert (request.method, request.url.path) == ("POST", "/predict/video")
    assert request.headers["content-length"] == str(clip.stat().st_size)
    assert "transfer-encoding" not in request.headers
    assert request.content == clip.read_bytes()


def test_options_become_parameters(clip):
    server = Server(lines(HEADER, SUMMARY))

    options = {"track": True, "smooth": False, "every": 2, "max_frames": 9, "request_id": "mine"}
    assert list(server.client().predict_video(str(clip), **options, max_persons=3)) == []

    (request,) = server.requests
    assert dict(request.url.params) == {
        "track": "true",
        "smooth": "false",
        "every": "2",
        "max_frames": "9",
        "max_persons": "3",
    }
    assert request.headers["x-request-id"] == "mine"


def test_whole_file_is_sent_again_when_the_service_is_busy(clip):
    server = Server(busy(), lines(HEADER, FRAME, SUMMARY))

    assert len(list(server.client().predict_video(clip))) == 1
    assert [len(request.content) for request in server.requests] == [clip.stat().st_size] * 2


def test_problem_in_mid_stream_is_raised_after_the_frames(clip):
    answer = Server(lines(HEADER, FRAME, PROBLEM)).client().predict_video(clip)

    assert next(answer).frame == 0
    with pytest.raises(StanceProblem, match="34 requests"):
        next(answer)


def test_answer_without_a_summary_is_no_success(clip):
    with pytest.raises(Unreachable, match="after 1 frames"):
        list(Server(lines(HEADER, FRAME)).client().predict_video(clip))


@pytest.mark.parametrize("odd", [[], 1, {"kind": "other"}, {"kind": "frame"}, {}])
def test_other_lines_are_refused(clip, odd):
    with pytest.raises(UnexpectedAnswer, match="not one about a video"):
        list(Server(lines(HEADER, odd)).client().predict_video(clip))


def test_wrong_arguments_are_refused_before_anything_is_sent(clip, tmp_path):
    client = Server(lines(SUMMARY)).client()
    with pytest.raises(InvalidInput, match="cannot be read"):
        list(client.predict_video(tmp_path / "none.mp4"))
    with pytest.raises(InvalidInput, match=r"smoth.*smooth"):
        list(client.predict_video(clip, smoth=True))


def test_async_client_does_the_same(clip):
    server = Server(busy(), lines(HEADER, FRAME, SUMMARY))
    bodies = []

    async def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(len(await request.aread()))
        return server(request)

    async def ask() -> list[int]:
        async with AsyncClient("http://test", transport=httpx.MockTransport(handle)) as client:
            return [frame.frame async for frame in client.predict_video(clip, every=1)]

    assert asyncio.run(ask()) == [0]
    assert bodies == [clip.stat().st_size] * 2
