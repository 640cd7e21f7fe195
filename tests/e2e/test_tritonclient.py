"""Triton's own client against a server process: the Open Inference Protocol from the outside."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.service.conftest import DETECTOR_BOXES

ROOT = Path(__file__).parents[2]
DOT = (280, 200)
"""The centre of the white square in the `picture`."""
SIZE = 64
"""Height and width of the test detector's input."""


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def encoded(*pictures: bytes) -> triton.InferInput:
    tensor = triton.InferInput("image", [len(pictures)], "BYTES")
    return tensor.set_data_from_numpy(np.array(pictures, np.object_))


def pixels(*, rows: int = 1, binary: bool = True) -> triton.InferInput:
    white = np.full((rows, SIZE, SIZE, 3), 255, np.uint8)
    tensor = triton.InferInput("image", list(white.shape), "UINT8")
    return tensor.set_data_from_numpy(white, binary_data=binary)


def test_server_and_models_are_live_ready_and_known(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("default")
    assert client.is_model_ready("test-detector", "1")
    assert not client.is_model_ready("test-detector", "2")
    assert not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]


def test_metadata_tells_what_to_send_and_what_comes_back(client):
    network = client.get_model_metadata("test-keypoints")
    pipeline = client.get_model_metadata("default")

    assert network["versions"] == ["1"]
    assert network["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 64, 48, 3]}]
    assert network["outputs"] == [{"name": "keypoints", "datatype": "FP32", "shape": [-1, 17, 3]}]
    assert pipeline["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert {"name": "keypoints", "datatype": "FP32", "shape": [-1, -1, 17, 3]} in pipeline[
        "outputs"
    ]


def test_pipeline_finds_the_people_in_each_picture(client, picture):
    black = cv2.imencode(".png", np.zeros((100, 50, 3), np.uint8))[1].tobytes()

    result = client.infer("default", [encoded(picture, black)], request_id="mine")

    assert result.get_response()["id"] == "mine"
    assert result.as_numpy("counts").tolist() == [1, 0]
    assert result.as_numpy("sizes").tolist() == [[480, 640], [100, 50]]
    assert result.as_numpy("keypoints").shape == (2, 1, 17, 3)
    assert result.as_numpy("boxes").shape == (2, 1, 4)
    np.testing.assert_allclose(result.as_numpy("keypoints")[0, 0, :, :2], [DOT] * 17, atol=10)
    first, second = map(json.loads, result.as_numpy("predictions"))
    assert first["persons"][0]["keypoints"][0]["name"] == "nose"
    assert second["persons"] == []


def test_nobody_in_any_picture_is_an_empty_tensor(client):
    black = cv2.imencode(".png", np.zeros((100, 50, 3), np.uint8))[1].tobytes()

    result = client.infer("default", [encoded(black)])

    assert result.as_numpy("keypoints").shape == (1, 0, 17, 3)


def test_pipeline_takes_the_parameters_of_predict(client, picture):
    strict = client.infer("default", [encoded(picture)], parameters={"min_person_score": 0.99})

    assert strict.as_numpy("counts").tolist() == [0]


@pytest.mark.parametrize("version", ["", "1"])
@pytest.mark.parametrize("sent_binary", [True, False])
@pytest.mark.parametrize("answered_binary", [True, False])
def test_network_answers_tensors_as_json_and_as_bytes(
    client, version, sent_binary, answered_binary
):
    wanted = [
        triton.InferRequestedOutput(name, binary_data=answered_binary)
        for name in ("scores", "boxes")
    ]

    result = client.infer(
        "test-detector",
        [pixels(rows=2, binary=sent_binary)],
        model_version=version,
        outputs=wanted,
    )

    boxes = np.array(DETECTOR_BOXES, np.float32)
    response = result.get_response()
    assert [output["name"] for output in response["outputs"]] == ["scores", "boxes"]
    assert ("data" in response["outputs"][0]) is not answered_binary
    np.testing.assert_allclose(result.as_numpy("boxes"), [boxes[:, :4]] * 2)
    np.testing.assert_allclose(result.as_numpy("scores"), [boxes[:, 4]] * 2)
    assert (response["model_name"], response["model_version"]) == ("test-detector", "1")


def test_one_output_may_be_json_and_another_bytes(client):
    wanted = [
        triton.InferRequestedOutput("boxes", binary_data=False),
        triton.InferRequestedOutput("scores", binary_data=True),
    ]

    result = client.infer("test-detector", [pixels()], outputs=wanted)

    assert result.as_numpy("boxes").shape == (1, 2, 4)
    np.testing.assert_allclose(result.as_numpy("scores"), [[0.9, 0.6]])


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_requests_may_be_compressed(client, algorithm):
    result = client.infer("test-detector", [pixels()], request_compression_algorithm=algorithm)

    assert result.as_numpy("scores").shape == (1, 2)


def test_requests_may_be_under_way_at_once(server, picture):
    address = f"127.0.0.1:{server.port}"
    with triton.InferenceServerClient(address, concurrency=4) as client:
        asked = [client.async_infer("default", [encoded(picture)]) for _ in range(8)]
        counts = [answer.get_result().as_numpy("counts").tolist() for answer in asked]

    assert counts == [[1]] * 8


@pytest.mark.parametrize(
    ("model", "tensor", "status", "word"),
    [
        ("nobody", pixels(), "404", "test-detector/1"),
        ("default", pixels(), "400", "BYTES"),
        ("test-detector", encoded(b"x"), "400", "UINT8"),
        ("default", encoded(b"no picture"), "415", "image"),
    ],
)
def test_errors_reach_the_client_with_their_sentence(client, model, tensor, status, word):
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor])

    assert caught.value.status() == status
    assert word in caught.value.message()


def test_tritons_timeout_is_a_deadline(client, picture):
    with pytest.raises(InferenceServerException) as caught:
        client.infer("default", [encoded(picture)], timeout=1)

    assert caught.value.status() == "504"


def test_example_of_the_page_works(server, capsys, monkeypatch):
    page = (ROOT / "docs" / "oip.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(ROOT)

    exec(example.replace("localhost:8000", f"127.0.0.1:{server.port}"), {})

    assert capsys.readouterr().out.startswith("[[")


async def _aio_answers(port: int, picture: bytes):
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert await client.is_server_ready()
        found = await client.infer("default", [encoded(picture)])
        with pytest.raises(InferenceServerException) as caught:
            await client.infer("nobody", [pixels()])
        return found, caught.value


@pytest.mark.anyio
async def test_asynchronous_client_gets_answers_and_errors(server, picture):
    found, error = await _aio_answers(server.port, picture)

    assert found.as_numpy("counts").tolist() == [1]
    assert "nobody" in error.message()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
