"""`python -m service serve`, from the outside."""

import json
import socket
import time

PNG = {"content-type": "image/png"}

STUCK = """
import sys, time
from dataclasses import replace
from service.cli import main
from service.runtime.models_folder import ModelsFolder

class Stuck:
    def __init__(self, session):
        self.card, self.provider = session.card, session.provider
    def run(self, image):
        time.sleep(600)

def open_stuck(self, name, real=ModelsFolder.open):
    estimator = real(self, name)
    return replace(estimator, detector=Stuck(estimator.detector))

ModelsFolder.open = open_stuck
sys.exit(main(["serve"]))
"""


class SlowUpload:
    """A request whose body is sent by hand."""

    def __init__(self, port: int, body: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._rest = body[10:]
        head = (
            f"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body[:10])

    def finish(self) -> str:
        self._socket.sendall(self._rest)
        with self._socket.makefile("rb") as answer:
            return answer.read().decode()

    def close(self) -> None:
        self._socket.close()


def inside(server) -> bool:
    return "pose_requests_inside 1.0" in server.client.get("/metrics").text


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_picture_is_answered_raw_and_as_form(server, picture):
    raw = server.client.post("/predict", content=picture, headers=PNG)
    form = server.client.post("/predict", files={"image": ("photo.png", picture)})

    assert (raw.status_code, form.status_code) == (200, 200)
    assert raw.json()["persons"] == form.json()["persons"]
    assert [joint["name"] for joint in raw.json()["persons"][0]["keypoints"]][:1] == ["nose"]


def test_status_routes_answer(server, picture):
    server.client.post("/predict", content=picture, headers=PNG)

    assert server.client.get("/health/live").json() == {"status": "live"}
    assert server.client.get("/health/ready").json()["provider"] == "CPUExecutionProvider"
    assert set(server.client.get("/models").json()["models"]) == {
        "test-detector/1",
        "test-keypoints/1",
    }
    assert 'route="/predict",status="200"' in server.client.get("/metrics").text
    assert "swagger" in server.client.get("/docs").text


def test_bad_input_leaves_the_server_serving(server, picture):
    statuses = [
        server.client.post("/predict", content=data, headers=PNG).status_code
        for data in (b"", b"text", picture[:-100], bytes(100_001))
    ]

    assert statuses == [400, 415, 422, 413]
    assert server.client.post("/predict", content=picture, headers=PNG).status_code == 200


def test_announced_size_over_the_limit_is_refused_before_the_body_is_sent(server):
    # Less than an upload may take: the connection is ended at once. Otherwise the client's next
    # request on it would be taken for the body.
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\n"
            b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n"
        )

        with connection.makefile("rb") as answer:
            assert answer.read().startswith(b"HTTP/1.1 413 ")


def test_idle_server_leaves_on_sigterm_and_has_logged_json(launch, picture):
    server = launch(log_format="json").wait_until_ready()
    server.client.post("/predict", content=picture, headers={**PNG, "x-request-id": "find-me"})

    server.terminate()

    code, stderr = server.leave()
    lines = [json.loads(line) for line in stderr.splitlines()]
    (request,) = [line for line in lines if line.get("path") == "/predict"]
    assert code == 0
    assert (request["status"], request["request_id"]) == (200, "find-me")
    assert {"listening", "ready"} <= {line["message"] for line in lines}


def test_sigterm_finishes_what_was_admitted_and_takes_nothing_new(launch, picture):
    server = launch().wait_until_ready()
    upload = SlowUpload(server.port, picture)
    until(lambda: inside(server))

    server.terminate()
    until(lambda: server.client.get("/health/ready").status_code == 503)
    live = server.client.get("/health/live")
    refused = server.client.post("/predict", content=picture, headers=PNG)
    answer = upload.finish()
    code, stderr = server.leave()
    upload.close()

    assert live.status_code == 200
    assert refused.status_code == 503
    assert answer.startswith("HTTP/1.1 200 ")
    assert '"persons":[{' in answer
    assert code == 0
    assert "Traceback" not in stderr


def test_drain_ends_in_time_though_an_upload_does_not(launch, picture):
    server = launch(drain_timeout_s=0.5, upload_timeout_s=600).wait_until_ready()
    upload = SlowUpload(server.port, picture)
    until(lambda: inside(server))

    server.terminate()
    _, stderr = server.leave()
    upload.close()

    assert "Traceback" not in stderr


def test_drain_ends_in_time_though_a_worker_is_stuck(launch, picture):
    server = launch("-c", STUCK, drain_timeout_s=0.5).wait_until_ready()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\n"
            b"Content-Length: %d\r\n\r\n" % len(picture) + picture
        )
        until(lambda: "pose_workers_busy 1.0" in server.client.get("/metrics").text)

        server.terminate()
        code, stderr = server.leave()

    assert code == 1
    assert "unfinished" in stderr


def test_bundle_without_card_stops_the_start_with_one_sentence(launch, models_dir, bundles):
    card = bundles.keypoints_card(version=2)
    bundles.write_raw(models_dir, card, None, bundles.keypoints_model(card))
    pipelines = models_dir / "pipelines.toml"
    pipelines.write_text(pipelines.read_text().replace("test-keypoints/1", "test-keypoints/2"))

    code, stderr = launch().leave()

    (sentence,) = [line for line in stderr.splitlines() if "[info" not in line]
    assert code == 2
    assert sentence.startswith("error: ")
    assert "test-keypoints/2" in sentence
    assert "card" in sentence


def test_port_in_use_stops_the_start(server, launch):
    code, stderr = launch(port=server.port).leave()

    assert code != 0
    assert "address already in use" in stderr
    assert "Traceback" not in stderr
