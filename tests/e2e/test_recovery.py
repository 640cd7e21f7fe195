"""Work that nobody waits for is not done, and a failure harms nobody but its own request."""

import json
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import httpx
import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.e2e.conftest import Launch, Server
from tests.service.conftest import Bundles

PNG = {"content-type": "image/png"}
WORK_MS, WAITING = 500, 8
"""Long, so that a busy machine cannot make a deadline pass where it must not."""


def start(launch: Launch) -> Server:
    """A server of one worker whose detector takes half a second."""
    command = ("-m", "benchmarks.slow_service", str(WORK_MS), "looks")
    return launch(*command, workers=1, max_waiting=WAITING, log_format="json").wait_until_ready()


def metric(server: Server, name: str) -> float:
    text = server.client.get("/metrics").text
    (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(value)


def runs(server: Server, task: str = "detection") -> float:
    return metric(server, f'pose_batch_rows_count{{task="{task}"}}')


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_idle(server: Server) -> None:
    until(
        lambda: metric(server, "pose_requests_inside") == 0 == metric(server, "pose_workers_busy")
    )


def send(server: Server, picture: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = (
        "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(picture)}\r\n\r\n"
    )
    connection.sendall(head.encode() + picture)
    return connection


def ask(server: Server, picture: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
        return client.post("/predict", content=picture, headers={**PNG, **named})


def test_clients_that_leave_cost_no_inference(launch: Launch, picture: bytes) -> None:
    server = start(launch)
    before = runs(server)
    with send(server, picture):
        until(lambda: metric(server, "pose_workers_busy") == 1)
        leaving = [send(server, picture) for _ in range(5)]
        until(lambda: metric(server, "pose_requests_inside") == 6)
        for connection in leaving:
            connection.close()
        until_idle(server)

    assert runs(server) == before + 1
    assert metric(server, 'pose_inference_saved_total{reason="client-gone"}') == 5
    assert ask(server, picture).status_code == 200


def test_deadlines_that_pass_in_the_queue_cost_no_inference(launch: Launch, picture: bytes) -> None:
    server = start(launch)
    before = runs(server)
    with send(server, picture), ThreadPoolExecutor(5) as pool:
        until(lambda: metric(server, "pose_workers_busy") == 1)
        asked = [pool.submit(ask, server, picture, x_request_timeout="0.05") for _ in range(5)]
        answers = [answer.result() for answer in asked]
        until_idle(server)

    assert {answer.status_code for answer in answers} == {504}
    assert answers[0].json()["type"] == "urn:stance:problem:deadline-passed"
    assert runs(server) == before + 1
    assert metric(server, 'pose_inference_saved_total{reason="deadline-passed"}') == 5
    assert ask(server, picture).status_code == 200


def test_answer_that_comes_too_late_is_told_in_time_and_the_rest_of_its_work_is_saved(
    launch: Launch, picture: bytes
) -> None:
    server = start(launch)
    before = runs(server, "keypoints")

    answer = ask(server, picture, x_request_timeout="0.1")

    assert answer.status_code == 504
    assert answer.elapsed.total_seconds() < WORK_MS / 1000
    until_idle(server)
    assert runs(server, "keypoints") == before


def poison(model: onnx.ModelProto) -> onnx.ModelProto:
    """A detector that fails on a white picture: it looks for an entry that is not in a table."""
    node = helper.make_node
    (scores,) = [node for node in model.graph.node if node.output[0] == "scores"]
    scores.output[0] = "good_scores"
    model.graph.node.extend(
        [
            node("ReduceMin", ["float"], ["least"], keepdims=0),
            node("Div", ["least", "white"], ["share"]),
            node("Floor", ["share"], ["whole"]),
            node("Cast", ["whole"], ["place"], to=onnx.TensorProto.INT64),
            node("Gather", ["table", "place"], ["nothing"]),
            node("Add", ["good_scores", "nothing"], ["scores"]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "table"))
    return model


def test_picture_that_no_network_can_take_fails_alone_and_the_log_explains_it(
    launch: Launch, bundles: Bundles, models_dir: Path, picture: bytes
) -> None:
    card = bundles.detector_card(version=2)
    bundles.write(models_dir, card, poison(bundles.detector_model(card)))
    pipelines = models_dir / "pipelines.toml"
    pipelines.write_text(pipelines.read_text().replace("test-detector/1", "test-detector/2"))
    server = launch(workers=2, log_format="json").wait_until_ready()
    white = cv2.imencode(".png", np.full((64, 64, 3), 255, np.uint8))[1].tobytes()

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, server, data) for data in [picture, white, picture, white] * 3]
        answers = [answer.result() for answer in asked]

    assert [answer.status_code for answer in answers] == [200, 500, 200, 500] * 3
    assert ask(server, picture).status_code == 200
    assert server.client.get("/health/ready").status_code == 200
    server.terminate()
    code, stderr = server.leave()
    logged = [json.loads(line) for line in stderr.splitlines()]
    assert code == 0
    for problem in [answer.json() for answer in answers if answer.status_code == 500]:
        assert problem["type"] == "urn:stance:problem:internal-error"
        (failed,) = [
            line
            for line in logged
            if line.get("request_id") == problem["instance"] and line["level"] == "error"
        ]
        assert failed["failure_id"] in problem["detail"]
        (cause,) = [line for line in logged if failed["failure_id"] in line["message"]]
        assert "Gather" in cause["exception"]
