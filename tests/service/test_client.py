"""What the clients send, and what they make of answers; no server is needed."""

import io
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest

from service.client import AsyncClient, Client, StanceProblem, UnexpectedAnswer, Unreachable
from service.inference.errors import InvalidInput

PREDICTION = {
    "model": {"pipeline": "default", "detector": "d/1", "keypoints": "k/1"},
    "image": {"width": 4, "height": 3},
    "persons": [
        {
            "score": 0.5,
            "box": {"x": 0, "y": 0, "width": 1, "height": 2},
            "keypoints": [{"name": "nose", "x": 1.5, "y": 0.5, "score": 0.75}],
        }
    ],
    "timings_ms": {"decode": 1, "detect": 2, "keypoints": 3, "queue": 4, "total": 10},
}
PROBLEM = {
    "type": "urn:stance:problem:overloaded",
    "title": "The service is busy",
    "status": 503,
    "detail": "34 requests are being served.",
    "instance": "abc",
}


class Server:
    """Answers in turns, the last one again and again; keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )

    def client(self, **options) -> Client:
        return Client("http://test", transport=httpx.MockTransport(self), **options)


def good() -> httpx.Response:
    return httpx.Response(200, json=PREDICTION)


def busy(**headers: str) -> httpx.Response:
    return httpx.Response(503, json=PROBLEM, headers={"retry-after": "0", **headers})


def problem(status: int) -> httpx.Response:
    return httpx.Response(status, json={**PROBLEM, "status": status})


def test_picture_is_sent_as_it_is_and_answered_as_a_document():
    server = Server(good())

    answer = server.client().predict(b"jpeg")

    assert answer.persons[0].keypoints[0].name == "nose"
    (request,) = server.requests
    assert (request.method, request.url.path, request.content) == ("POST", "/predict", b"jpeg")
    assert request.url.query == b""


def test_options_become_parameters_and_headers():
    server = Server(good())

    server.client(api_key="secret").predict(
        b"jpeg",
        max_persons=3,
        min_person_score=0.25,
        min_keypoint_score=0.5,
        pipeline="fast",
        timeout_s=2.5,
        request_id="mine",
    )

    (request,) = server.requests
    assert dict(request.url.params) == {
        "max_persons": "3",
        "min_person_score": "0.25",
        "min_keypoint_score": "0.5",
        "pipeline": "fast",
    }
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["x-request-id"] == "mine"
    assert 2.4 < float(request.headers["x-request-timeout"]) <= 2.5


def test_boxes_go_into_a_form():
    server = Server(good())

    server.client().predict(b"jpeg", boxes=[(1, 2, 3, 4)])

    (request,) = server.requests
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert b"[[1.0, 2.0, 3.0, 4.0]]" in request.content
    assert b'name="image"; filename=' in request.content


def test_unknown_option_is_refused():
    with pytest.raises(InvalidInput, match=r"max_people.*max_persons"):
        Server(good()).client().predict(b"jpeg", max_people=3)


def test_path_and_file_and_pixels_are_read(tmp_path):
    server = Server(good())
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"from disk")
    pixels = np.zeros((3, 4, 3), np.uint8)

    for source in (path, str(path), io.BytesIO(b"from disk"), pixels):
        server.client().predict(source)

    assert [request.content for request in server.requests[:3]] == [b"from disk"] * 3
    assert server.requests[3].content.startswith(b"\x89PNG")


def test_pixels_keep_their_colours():
    import cv2

    server = Server(good())
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

    server.client().predict(pixels)

    sent = cv2.imdecode(np.frombuffer(server.requests[0].content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(sent, pixels)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((3, 4, 3), np.float32), "float32"),
        (np.zeros((3, 4), np.uint8), r"\[3, 4\]"),
        (io.StringIO("text"), "'rb'"),
    ],
)
def test_what_is_no_picture_is_refused_before_it_is_sent(source, words):
    server = Server(good())

    with pytest.raises(InvalidInput, match=words):
        server.client().predict(source)

    assert server.requests == []


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"nothing\.jpg"):
        Server(good()).client().predict(tmp_path / "nothing.jpg")


def test_busy_service_is_asked_again_with_the_same_picture():
    server = Server(busy(), httpx.Response(429, headers={"retry-after": "0"}), good())

    answer = server.client().predict(b"jpeg", boxes=[(1, 2, 3, 4)])

    assert answer.image.width == 4
    assert len(server.requests) == 3
    bodies = {request.content.count(b"jpeg") for request in server.requests}
    assert bodies == {1}


def test_broken_connection_is_tried_again():
    server = Server(httpx.ConnectError("refused"), httpx.RemoteProtocolError("cut"), good())

    server.client().predict(b"jpeg")

    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 502, 504])
def test_final_answer_is_not_asked_for_again(status):
    server = Server(problem(status), good())

    with pytest.raises(StanceProblem) as caught:
        server.client().predict(b"jpeg")

    assert caught.value.status == status
    assert len(server.requests) == 1


def test_silence_is_not_asked_for_again():
    server = Server(httpx.ReadTimeout("silence"), good())

    with pytest.raises(Unreachable, match=r"http://test/predict.*silence"):
        server.client().predict(b"jpeg")

    assert len(server.requests) == 1


def test_problem_carries_every_field():
    answer = httpx.Response(503, json=PROBLEM, headers={"x-request-id": "id-1"})

    with pytest.raises(StanceProblem) as caught:
        Server(answer).client(budget_s=0).predict(b"jpeg")

    error = caught.value
    assert (error.type, error.title, error.detail) == (
        "urn:stance:problem:overloaded",
        "The service is busy",
        "34 requests are being served.",
    )
    assert (error.status, error.instance, error.request_id) == (503, "abc", "id-1")
    assert str(error) == "The service is busy (503): 34 requests are being served."


def test_answer_of_a_proxy_is_a_problem_too():
    with pytest.raises(StanceProblem, match="Bad Gateway") as caught:
        Server(httpx.Response(502, text="<html>nginx")).client().predict(b"jpeg")

    assert (caught.value.status, caught.value.detail) == (502, "<html>nginx")


def test_answer_that_is_no_document_is_not_swallowed():
    with pytest.raises(UnexpectedAnswer, match="http://test/predict"):
        Server(httpx.Response(200, text="hello")).client().predict(b"jpeg")


def test_retry_that_would_come_too_late_is_not_waited_for():
    server = Server(busy(**{"retry-after": "60"}), good())

    with pytest.raises(StanceProblem):
        server.client(budget_s=5).predict(b"jpeg")

    assert len(server.requests) == 1


def test_timeout_of_a_request_bounds_its_retries():
    server = Server(busy(**{"retry-after": "2"}), good())

    with pytest.raises(StanceProblem):
        server.client(budget_s=100).predict(b"jpeg", timeout_s=1)


def test_probe_is_asked_once_unless_patience_is_given():
    server = Server(busy(), busy(), httpx.Response(200, json={"status": "live"}))
    client = server.client()

    with pytest.raises(StanceProblem):
        client.live()
    with pytest.raises(StanceProblem):
        client.ready()
    with pytest.raises(UnexpectedAnswer):
        client.ready(patience_s=5)

    assert len(server.requests) == 3


def test_drawing_and_coco_ask_for_their_format():
    server = Server(httpx.Response(200, content=b"picture"))
    client = server.client()

    assert client.predict_image(b"jpeg", "image/jpeg", max_persons=2) == b"picture"
    server.answers = [httpx.Response(200, json=[])]
    assert client.predict_coco(b"jpeg") == []

    drawing, coco = server.requests
    assert dict(drawing.url.params) == {"max_persons": "2", "format": "image"}
    assert drawing.headers["accept"] == "image/jpeg"
    assert dict(coco.url.params) == {"format": "coco"}


def lines(*indices: int) -> bytes:
    items = [{"index": index, "filename": str(index), "problem": PROBLEM} for index in indices]
    return "".join(json.dumps(item) + "\n" for item in items).encode()


def test_batch_goes_as_one_form_and_its_problems_stay_with_their_pictures():
    results = [{"index": 0, "prediction": PREDICTION}, {"index": 1, "problem": PROBLEM}]
    server = Server(httpx.Response(200, json={"results": results}))

    first, second = server.client().predict_batch([b"one", b"two"], max_persons=1)

    assert first.prediction is not None
    assert second.problem is not None
    assert second.problem.status == 503
    (request,) = server.requests
    assert request.url.path == "/predict/batch"
    assert request.content.count(b'name="image"') == 2


def test_stream_gives_each_line():
    server = Server(httpx.Response(200, content=lines(1, 0)))

    items = list(server.client().stream_batch([b"one", b"two"]))

    assert [item.index for item in items] == [1, 0]
    assert server.requests[0].headers["accept"] == "application/x-ndjson"


class Cut(httpx.SyncByteStream):
    def __iter__(self):
        yield lines(0)
        raise httpx.ReadError("cut")


def test_stream_that_breaks_says_how_far_it_came():
    def answer(_request):
        return httpx.Response(200, stream=Cut())

    client = Client("http://test", transport=httpx.MockTransport(answer))

    with pytest.raises(Unreachable, match="1 of 2"):
        list(client.stream_batch([b"one", b"two"]))


def test_stream_of_a_busy_service_is_begun_again():
    server = Server(busy(), httpx.Response(200, content=lines(0)))

    assert len(list(server.client().stream_batch([b"one"]))) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_async_client_does_the_same(tmp_path):
    server = Server(busy(), httpx.ConnectError("refused"), good())
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"jpeg")

    transport = httpx.MockTransport(server)
    async with AsyncClient("http://test", api_key="k", transport=transport) as client:
        answer = await client.predict(path, max_persons=2)
        server.answers = [httpx.Response(200, content=lines(1, 0))]
        streamed = [item.index async for item in client.stream_batch([path, b"two"])]
        server.answers = [problem(422)]
        with pytest.raises(StanceProblem, match="422"):
            await client.predict_coco(b"jpeg")

    assert answer.persons[0].score == 0.5
    assert streamed == [1, 0]
    assert server.requests[2].content == b"jpeg"
    assert server.requests[2].headers["authorization"] == "Bearer k"


def test_import_loads_neither_networks_nor_web_framework():
    script = (
        "import sys, service.client\n"
        "heavy = {'onnxruntime', 'cv2', 'fastapi', 'starlette', 'uvicorn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (result.stdout.strip(), result.returncode) == ("[]", 0), result.stderr
