"""Both clients and `bench` against a real server."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.client import AsyncClient, Client, StanceProblem, Unreachable
from tests.e2e.conftest import free_port


@pytest.fixture
def url(server) -> str:
    return f"http://127.0.0.1:{server.port}"


def test_every_kind_of_answer(url, picture, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(picture)
    with Client(url) as client:
        assert client.ready(patience_s=10).provider == "CPUExecutionProvider"
        assert client.live().status == "live"
        assert client.models().pipelines["default"].keypoints == "test-keypoints/1"
        found = client.predict(path, request_id="from-the-test")
        assert found.image.width == 640
        assert len(found.persons[0].keypoints) == 17
        (coco,) = client.predict_coco(picture, max_persons=1)
        assert len(coco.keypoints) == 51
        drawn = client.predict_image(picture, "image/jpeg")
        assert cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR).shape[1] == 640
        assert 'route="/predict"' in client.metrics()


def test_pixels_and_boxes_are_understood(url, picture):
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    with Client(url) as client:
        (person,) = client.predict(pixels, boxes=[(230, 150, 100, 100)]).persons

    assert (person.box.x, person.box.width) == (230, 100)


def test_batch_names_its_bad_picture(url, picture):
    with Client(url) as client:
        good, bad = client.predict_batch([picture, b"no picture"])
        streamed = {item.index: item for item in client.stream_batch([picture, b"no picture"])}

    assert good.prediction is not None
    assert bad.problem is not None
    assert bad.problem.status == 415
    assert streamed[0].prediction is not None
    assert streamed[1].problem is not None


def test_refusal_is_a_problem_with_the_id_of_the_request(url):
    with Client(url) as client, pytest.raises(StanceProblem) as caught:
        client.predict(b"no picture", request_id="from-the-test")

    assert caught.value.status == 415
    assert caught.value.request_id == "from-the-test"


def test_nobody_there_is_unreachable():
    with (
        Client(f"http://127.0.0.1:{free_port()}", budget_s=0.3) as client,
        pytest.raises(Unreachable),
    ):
        client.predict(b"jpeg")


def test_retries_bring_everyone_through_a_service_that_is_too_small(launch, picture):
    server = launch(workers=1, max_waiting=0).wait_until_ready()

    async def ask_all() -> list[int]:
        async with AsyncClient(f"http://127.0.0.1:{server.port}", budget_s=60) as client:
            answers = await asyncio.gather(*(client.predict(picture) for _ in range(4)))
        return [len(answer.persons) for answer in answers]

    assert asyncio.run(ask_all()) == [1] * 4
    # Some were refused at first: otherwise this test shows nothing.
    assert 'status="503"' in server.client.get("/metrics").text


def bench(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", "bench", url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_keys_open_what_they_are_for(launch, picture):
    server = launch(api_keys="key-of-a-reader-1", admin_keys="key-of-an-admin-1").wait_until_ready()
    url = f"http://127.0.0.1:{server.port}"

    with Client(url) as stranger, pytest.raises(StanceProblem, match="401"):
        stranger.predict(picture)
    with Client(url, api_key="key-of-a-reader-1") as reader:
        assert len(reader.predict(picture).persons) == 1
        with pytest.raises(StanceProblem, match="403"):
            reader.load("default")
    with Client(url, api_key="key-of-an-admin-1") as admin:
        assert "default" in admin.load("default").pipelines


def answered(server) -> float:
    found = re.search(
        r'pose_requests_total{route="/predict",status="200"} (\S+)',
        server.client.get("/metrics").text,
    )
    return float(found[1]) if found else 0.0


@pytest.fixture
def images(tmp_path, picture) -> str:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "one.png").write_bytes(picture)
    return str(folder)


def test_bench_tells_goodput_and_latency(url, images):
    load = bench(
        *(url, "--images", images, "--rate", "20", "--duration", "1", "--warm-up", "0", "--json")
    )

    out, err = load.communicate(timeout=60)

    assert load.returncode == 0, err
    summary = json.loads(out)
    assert summary["offered_per_s"] == 20
    assert [(kind["name"], kind["count"]) for kind in summary["outcomes"]] == [("200", 20)]
    assert 0 < summary["ms"]["p50"] <= summary["ms"]["max"]


def test_interrupted_bench_prints_what_it_has(url, images, server):
    before = answered(server)
    load = bench(
        *(url, "--images", images, "--concurrency", "1", "--warm-up", "0", "--duration", "600")
    )
    deadline = time.monotonic() + 60
    while answered(server) < before + 10:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    load.send_signal(signal.SIGINT)
    out, err = load.communicate(timeout=60)

    assert load.returncode == 0, err
    assert "goodput" in out


def test_python_of_the_readme_runs_as_it_stands(url, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    text = Path("README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}

    exec(code.replace("http://localhost:8000", url), names)

    assert names["people"]
