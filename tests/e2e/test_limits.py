"""What a client may send, hold open and leave unread: raw sockets against a real server.

Every test leaves the shared server as it found it: the next request is answered, and no connection
stays open.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.conftest import Server, read_answer, start_server
from tests.service.conftest import Bundles

LIMIT_BYTES = 7_000_000
HEADER_BYTES, URL_BYTES = 4096, 1024
HEADER_S, UPLOAD_S, KEEP_ALIVE_S = 0.5, 1.5, 2
# How long the server looks away between two looks at its connections, and a busy machine's excuse.
PATIENCE_S = 30
LIVE = b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with short limits."""
    server = start_server(
        models_dir=Bundles().write_models(tmp_path_factory.mktemp("strict") / "models"),
        max_upload_bytes=LIMIT_BYTES,
        max_header_bytes=HEADER_BYTES,
        max_url_bytes=URL_BYTES,
        header_timeout_s=HEADER_S,
        upload_timeout_s=UPLOAD_S,
        keep_alive_timeout_s=KEEP_ALIVE_S,
    )
    yield server.wait_until_ready()
    server.kill()


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest, picture: bytes) -> Iterator[None]:
    """Fails a test after which the server does not serve, or holds a connection or a file."""
    if "strict" not in request.fixturenames:
        yield
        return
    server = request.getfixturevalue("strict")
    before = open_files(server)
    yield
    answer = server.client.post("/predict", content=picture, headers={"content-type": "image/png"})
    assert answer.status_code == 200
    until(lambda: connections(server) == 1)
    # The client's own connection may have been closed and opened again meanwhile.
    until(lambda: open_files(server) <= before + 1)


def connections(server: Server) -> int:
    """Open connections, the asking one among them."""
    lines = server.client.get("/metrics").text.splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith("pose_connections ")]
    return int(float(value))


def open_files(server: Server) -> int:
    folder = Path(f"/proc/{server.process.pid}/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    with connection.makefile("rb") as stream:
        return stream.read()


def answer_to(server: Server, request: bytes) -> bytes:
    with connected(server) as connection:
        connection.sendall(request)
        return read_to_end(connection)


def problem_in(answer: bytes, status: int, slug: str) -> dict[str, str]:
    """The problem document of an answer, which must be of the given kind and complete."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    document = json.loads(body)
    assert lines[0].startswith(f"HTTP/1.1 {status} "), answer
    assert document["type"] == f"urn:stance:problem:{slug}"
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == document["instance"]
    assert headers["x-content-type-options"] == "nosniff"
    return document


def predict(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "POST /predict HTTP/1.1",
        "Host: test",
        "Content-Type: image/png",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("request_", "status", "slug"),
    [
        (LIVE[:-2] + b"X-Long: " + b"a" * HEADER_BYTES + b"\r\n\r\n", 431, "head-too-large"),
        (LIVE[:-2] + b"X: y\r\n" * HEADER_BYTES + b"\r\n", 431, "head-too-large"),
        # Heads that never end.
        (LIVE[:-2] + b"X-Long: " + b"a" * HEADER_BYTES, 431, "head-too-large"),
        (LIVE[:-2] + b"a" * HEADER_BYTES, 431, "head-too-large"),
        (b"GET /" + b"a" * URL_BYTES, 414, "url-too-long"),
        (b"GET /?" + b"a" * URL_BYTES + b" HTTP/1.1\r\n\r\n", 414, "url-too-long"),
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed-request"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"CONNECT test:80 HTTP/1.1\r\nHost: test\r\n\r\n", 400, "malformed-request"),
        (predict(b"", "Content-Length: 7", length=5), 400, "malformed-request"),
        (predict(b"", "Transfer-Encoding: chunked", length=5), 400, "malformed-request"),
    ],
)
def test_head_that_cannot_be_taken_is_a_problem_and_ends_the_connection(
    strict, request_, status, slug
):
    document = problem_in(answer_to(strict, request_), status, slug)

    assert document["detail"]


def test_head_of_just_the_limits_is_taken(strict):
    path = "/" + "a" * (URL_BYTES - 1)
    request = f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Long: "
    spare = HEADER_BYTES - len(request) + len("GET  HTTP/1.1\r\n: \r\n: \r\n: ")
    answer = answer_to(strict, request.encode() + b"a" * (spare - 8) + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")


def test_refusals_are_counted_and_logged_by_reason(strict):
    before = strict.client.get("/metrics").text.count('reason="url-too-long"')
    answer_to(strict, b"GET /" + b"a" * URL_BYTES)

    assert before <= 1
    assert 'pose_rejections_total{reason="url-too-long"}' in strict.client.get("/metrics").text


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_connection_that_sends_nothing_is_closed(strict, sent):
    assert answer_to(strict, sent) == b""


@pytest.mark.parametrize("sent", [b"G", LIVE[:30], LIVE[:-2]])
def test_head_that_does_not_end_is_given_up(strict, sent):
    problem_in(answer_to(strict, sent), 408, "head-timeout")


def test_head_that_comes_byte_by_byte_is_given_up(strict):
    with connected(strict) as connection:
        connection.settimeout(0.05)
        answer = b""
        for number in range(PATIENCE_S * 20):
            try:
                connection.sendall(LIVE[number % 20 : number % 20 + 1] if number < 20 else b"a")
                answer = connection.recv(65536)
                break
            except TimeoutError:
                continue

    problem_in(answer, 408, "head-timeout")


def test_idle_connection_is_closed_after_the_keep_alive_time(strict):
    with connected(strict) as connection:
        connection.sendall(LIVE)
        started = time.monotonic()
        answer = read_to_end(connection)

    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert time.monotonic() - started >= KEEP_ALIVE_S * 0.9


def test_half_a_head_on_a_used_connection_is_given_up(strict):
    answer = answer_to(strict, LIVE + LIVE[:20])

    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200 ")
    assert second.startswith(b"408 ")


@pytest.mark.parametrize("headers", [[], ["Connection: close"], ["Expect: 100-continue"]])
def test_huge_body_is_answered_though_it_is_not_read(strict, headers):
    # All of it is sent before the answer is read, as most clients do.
    answer = answer_to(strict, predict(bytes(20_000_000), "Connection: close", *headers))

    problem_in(answer, 413, "image-too-large")


def test_body_that_goes_on_after_its_answer_is_not_read_for_ever(strict):
    with connected(strict) as connection:
        connection.sendall(predict(b"", length=10**12))
        answer = read_answer(connection)
        until(lambda: is_cut(connection, bytes(1000)))

    problem_in(answer, 413, "image-too-large")


def is_cut(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except ConnectionError:
        return True
    return False


def test_body_is_asked_for_when_the_client_waits_for_that(strict, picture):
    with connected(strict) as connection:
        connection.sendall(
            predict(b"", "Expect: 100-continue", "Connection: close", length=len(picture))
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(picture)

        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")


def test_body_that_does_not_end_is_given_up(strict, picture):
    request = predict(picture[:10], "Connection: close", length=len(picture))

    problem_in(answer_to(strict, request), 408, "upload-timeout")


def test_chunked_body_is_taken(strict, picture):
    half = len(picture) // 2
    answer = answer_to(strict, chunked(picture[:half], picture[half:], end=b"0\r\n\r\n"))

    assert answer.startswith(b"HTTP/1.1 200 ")


def chunked(*chunks: bytes, end: bytes) -> bytes:
    head = predict(b"", "Transfer-Encoding: chunked", "Connection: close")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def test_chunked_body_over_the_limit_is_refused(strict):
    chunks = [bytes(LIMIT_BYTES // 2)] * 3

    problem_in(answer_to(strict, chunked(*chunks, end=b"0\r\n\r\n")), 413, "image-too-large")


@pytest.mark.parametrize(
    "end",
    [
        b"0\r\nX-Trailer: " + b"a" * HEADER_BYTES * 2,
        b"0\r\n" + b"X: y\r\n" * HEADER_BYTES,
        b"5;" + b"a" * HEADER_BYTES * 2,
        # Chunks of a byte each.
        b"1\r\na\r\n" * HEADER_BYTES,
    ],
)
def test_more_framing_than_body_is_refused(strict, picture, end):
    with connected(strict) as connection:
        connection.sendall(chunked(picture, end=b""))
        # Not in one piece with what comes before.
        time.sleep(0.1)
        connection.sendall(end)

        problem_in(read_to_end(connection), 431, "head-too-large")


def test_trailer_is_no_header(strict, picture):
    answer = answer_to(strict, chunked(picture, end=b"0\r\nX-Request-Id: trailer\r\n\r\n"))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"trailer" not in answer


def test_bad_chunk_is_a_problem(strict):
    problem_in(answer_to(strict, chunked(end=b"no number\r\n")), 400, "malformed-request")


def test_requests_sent_before_their_answers_are_answered_in_order(strict, picture):
    last = LIVE.replace(b"live HTTP/1.1", b"ready HTTP/1.1\r\nConnection: close")
    answer = answer_to(strict, LIVE + predict(picture) + LIVE + last)

    assert answer.count(b"HTTP/1.1 200 ") == 4
    assert answer.index(b'"persons"') < answer.rindex(b'"live"') < answer.index(b'"ready"')


def test_too_many_requests_before_their_answers_end_the_connection(strict):
    answer = answer_to(strict, LIVE * 1000)

    assert 1 <= answer.count(b"HTTP/1.1 200 ") <= 17


def test_nonsense_behind_a_request_does_not_harm_it(strict, picture):
    answer = answer_to(strict, predict(picture) + b"nonsense\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_body_survives_an_offer_to_change_the_protocol(strict, picture, protocol):
    # Java's client offers HTTP/2 with every first request.
    request = predict(picture, f"Upgrade: {protocol}", "Connection: Upgrade, HTTP2-Settings, close")
    answer = answer_to(strict, request)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"persons":[{' in answer


def test_client_that_does_not_read_its_answer_is_cut_off(strict):
    noise = np.random.default_rng(0).integers(0, 255, (1400, 1400, 3), np.uint8)
    picture = cv2.imencode(".png", noise)[1].tobytes()
    with connected(strict) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(predict(picture).replace(b"/predict", b"/predict?format=image"))
        assert connection.recv(12) == b"HTTP/1.1 200"

        until(lambda: connections(strict) == 1)


def test_idle_connections_make_room_for_new_ones(launch, picture):
    server = launch(max_connections=5, header_timeout_s=60).wait_until_ready()
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]

    # What was opened just now may have sent something that is not read yet.
    until(lambda: predicts(server, picture))
    count = connections(server)
    for connection in idle:
        connection.close()

    assert count <= 6


def predicts(server, picture) -> bool:
    """Whether a new connection is answered; if not, it is told to come again."""
    answer = answer_to(server, predict(picture, "Connection: close"))
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 "))
    return answer.startswith(b"HTTP/1.1 200 ")


def test_only_probes_are_answered_when_every_connection_is_busy(launch, picture):
    server = launch(max_connections=2, max_waiting=8).wait_until_ready()
    server.client.close()
    uploads = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
    for upload in uploads:
        upload.sendall(predict(picture[:10], "Connection: close", length=len(picture)))
    until(lambda: b"pose_requests_inside 2.0" in answer_to(server, close("/metrics")))

    refused = answer_to(server, predict(picture))
    ready = answer_to(server, close("/health/ready"))
    for upload in uploads:
        upload.sendall(picture[10:])
    finished = [read_to_end(upload) for upload in uploads]
    for upload in uploads:
        upload.close()
    later = answer_to(server, predict(picture, "Connection: close"))

    assert b"Retry-After: " in refused or b"retry-after: " in refused
    problem_in(refused, 503, "too-many-connections")
    for answer in (ready, later, *finished):
        assert answer.startswith(b"HTTP/1.1 200 ")


def close(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode()


def test_more_connections_than_files_stop_the_start(launch):
    code, stderr = launch(max_connections=100_000_000).leave()

    assert code == 2
    assert "max_connections is 100000000" in stderr
