"""The Open Inference Protocol's routes: answers, limits and errors."""

import asyncio
import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from service.http.app import create_app
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect
from tests.service.http.infer_requests import (
    LENGTH,
    NETWORK,
    PIPELINE,
    assert_problem,
    of_picture,
    of_pixels,
)
from tests.service.http.test_app import BrokenSession

pytestmark = pytest.mark.anyio


def outputs_of(answer) -> dict:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output for output in answer.json()["outputs"]}


async def test_people_are_those_of_predict(client, picture):
    predicted = await client.post(
        "/predict", content=picture, headers={"content-type": "image/png"}
    )
    outputs = outputs_of(await client.post(PIPELINE, json=of_picture(picture)))

    (person,) = predicted.json()["persons"]
    points = np.reshape(outputs["keypoints"]["data"], (17, 3))
    wanted = [(joint["x"], joint["y"], joint["score"]) for joint in person["keypoints"]]
    np.testing.assert_allclose(points, wanted, atol=0.01)
    (document,) = map(json.loads, outputs["predictions"]["data"])
    assert document["persons"] == [person]


@pytest.mark.parametrize(
    ("model", "document"), [("default", None), ("test-detector", of_pixels(2))]
)
async def test_outputs_are_as_the_metadata_says(client, picture, model, document):
    metadata = (await client.get(f"/v2/models/{model}")).json()
    document = document or of_picture(picture, picture)

    outputs = outputs_of(await client.post(f"/v2/models/{model}/infer", json=document))

    assert list(outputs) == [tensor["name"] for tensor in metadata["outputs"]]
    for tensor in metadata["outputs"]:
        found = outputs[tensor["name"]]
        assert found["datatype"] == tensor["datatype"]
        assert all(
            axis in (-1, size) for axis, size in zip(tensor["shape"], found["shape"], strict=True)
        )


async def test_photo_alone_may_be_the_whole_body(client, picture):
    answer = await client.post(PIPELINE, content=picture, headers={LENGTH: "0"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    document = json.loads(answer.content[: int(answer.headers[LENGTH])])
    (counts, *_) = document["outputs"]
    assert counts == {
        "name": "counts",
        "datatype": "INT32",
        "shape": [1],
        "parameters": {"binary_data_size": 4},
    }


async def test_only_wanted_outputs_are_answered(client, picture):
    wanted = of_picture(picture, outputs=[{"name": "sizes"}])

    assert list(outputs_of(await client.post(PIPELINE, json=wanted))) == ["sizes"]


async def test_unsure_joints_are_zero_when_asked_for(client, picture):
    asked = of_picture(picture, parameters={"min_keypoint_score": 1.0, "min_person_score": 0})

    outputs = outputs_of(await client.post(PIPELINE, json=asked))

    points = np.reshape(outputs["keypoints"]["data"], outputs["keypoints"]["shape"])
    assert set(points[..., 2].ravel()) <= {0.0, 1.0}
    assert (points[..., 2] == 0).any()
    assert not points[points[..., 2] == 0].any()


@pytest.mark.parametrize(
    ("path", "document", "status", "slug", "words"),
    [
        (PIPELINE, {"inputs": []}, 400, "invalid-request", ["'image'"]),
        (PIPELINE, of_pixels(), 400, "invalid-request", ["BYTES"]),
        (PIPELINE, of_picture(b""), 422, "invalid-image", ["empty"]),
        (PIPELINE, of_picture(b"hello"), 415, "unsupported-media-type", []),
        (PIPELINE, of_picture(*[b"x"] * 4), 400, "invalid-request", ["1 to 3 pictures"]),
        (PIPELINE, of_picture(bytes(100_001)), 413, "image-too-large", ["100001"]),
        (
            PIPELINE,
            of_picture(b"x", parameters={"max_person": 3}),
            400,
            "invalid-request",
            ["'max_person'", "max_persons"],
        ),
        (
            PIPELINE,
            of_picture(b"x", parameters={"max_persons": 0}),
            400,
            "invalid-request",
            ["max_persons"],
        ),
        (
            PIPELINE,
            of_picture(b"x", parameters={"max_persons": 51}),
            400,
            "invalid-request",
            ["max_persons", "50"],
        ),
        (
            PIPELINE,
            of_picture(b"x", parameters={"pipeline": "other"}),
            400,
            "invalid-request",
            ["'pipeline'"],
        ),
        (
            PIPELINE,
            of_picture(b"x", parameters={"timeout": -1}),
            400,
            "invalid-request",
            ["timeout", "microseconds"],
        ),
        (
            PIPELINE,
            of_picture(b"x", parameters={"timeout": 10**400}),
            400,
            "invalid-request",
            ["timeout"],
        ),
        (
            PIPELINE,
            of_picture(b"x", outputs=[{"name": "boxen"}]),
            400,
            "invalid-request",
            ["'boxen'", "'boxes'"],
        ),
        (NETWORK, of_picture(b"x"), 400, "invalid-request", ["UINT8"]),
        (NETWORK, of_pixels(rows=3), 400, "invalid-request", ["1 to 2 rows"]),
        (
            NETWORK,
            of_pixels(parameters={"max_persons": 3}),
            400,
            "invalid-request",
            ["'max_persons'"],
        ),
        ("/v2/models/nobody/infer", of_pixels(), 404, "unknown-model", ["'nobody'"]),
        ("/v2/models/default/versions/1/infer", of_pixels(), 404, "unknown-model", ["'1'"]),
    ],
)
async def test_what_does_not_fit_the_model_is_told(
    estimator, picture, path, document, status, slug, words
):
    settings = Settings(
        workers=1, max_pictures=3, max_tensor_rows=2, max_upload_bytes=100_000, max_persons=50
    )
    async with connect(create_app(settings, Given(estimator))) as client:
        answer = await client.post(path, json=document)

        assert_problem(answer, status, slug, *words)
        assert (await client.post(PIPELINE, json=of_picture(picture))).status_code == 200


async def test_bad_picture_among_others_is_named(client, picture):
    answer = await client.post(PIPELINE, json=of_picture(picture, picture[:200], picture))

    assert_problem(answer, 422, "invalid-image", "image[1]", "truncated")


@pytest.mark.parametrize("length", ["-1", "many", "1e3"])
async def test_length_of_the_json_must_be_a_number(client, length):
    answer = await client.post(NETWORK, json=of_pixels(), headers={LENGTH: length})

    assert_problem(answer, 422, "invalid-input", LENGTH, length)


async def test_body_over_the_limit_is_cut_off_while_it_arrives(estimator):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 10_000
            yield bytes(10_000)

    settings = Settings(workers=1, max_batch_bytes=50_000)
    async with connect(create_app(settings, Given(estimator))) as client:
        answer = await client.post(NETWORK, content=endless())

    assert_problem(answer, 413, "image-too-large", "50000")
    assert sent <= 70_000


async def test_long_json_is_refused_unparsed_and_bytes_are_not(estimator):
    settings = Settings(workers=1, max_json_bytes=10_000)
    head = {"name": "image", "shape": [1, 64, 64, 3], "datatype": "UINT8"}
    text = json.dumps({"inputs": [{**head, "parameters": {"binary_data_size": 12288}}]}).encode()
    async with connect(create_app(settings, Given(estimator))) as client:
        as_json = await client.post(NETWORK, json=of_pixels())
        as_bytes = await client.post(
            NETWORK, content=text + bytes(12288), headers={LENGTH: str(len(text))}
        )

    assert_problem(as_json, 413, "image-too-large", "max_json_bytes = 10000", "binary")
    assert as_bytes.status_code == 200


async def test_compressed_body_is_bounded_by_what_comes_out(estimator):
    settings = Settings(workers=1, max_batch_bytes=50_000)
    body = gzip.compress(bytes(1_000_000))
    async with connect(create_app(settings, Given(estimator))) as client:
        answer = await client.post(NETWORK, content=body, headers={"content-encoding": "gzip"})

    assert_problem(answer, 413, "image-too-large", "50000", "gzip")


async def test_upload_that_stalls_is_given_up(estimator):
    async def stalls():
        yield b"{"
        await asyncio.Event().wait()

    settings = Settings(workers=1, upload_timeout_s=0.05)
    async with connect(create_app(settings, Given(estimator))) as client:
        answer = await client.post(NETWORK, content=stalls())

    assert_problem(answer, 408, "upload-timeout", "0.05 s")


async def test_bug_is_told_by_its_id_only(settings, estimator, logged):
    broken = BrokenSession(estimator.detector.card, "Broken")
    app = create_app(settings, Given(replace(estimator, detector=broken)))
    async with connect(app) as client:
        answer = await client.post(
            NETWORK, content=bytes(64 * 64 * 3), headers={LENGTH: "0", "x-request-id": "find-me"}
        )

    assert_problem(answer, 500, "internal-error")
    assert answer.json()["instance"] == "find-me"
    assert "secret" not in answer.text
    (error,) = [line for line in logged() if line["level"] == "error"]
    assert (error["request_id"], "secret" in error["exception"]) == ("find-me", True)
    assert app.state.runtime.admission.inside == 0


async def test_models_are_unready_until_loaded(settings, estimator):
    app = create_app(settings, Given(estimator))
    async with connect(app) as client:
        app.state.runtime.drain()
        answers = [
            await client.get(f"/v2/{path}")
            for path in ("health/ready", "models/default", "models/default/ready")
        ]
        live = await client.get("/v2/health/live")

    for answer in answers:
        assert_problem(answer, 503, "shutting-down")
    assert live.json() == {"live": True}


async def test_ready_says_so_in_the_words_of_specification_and_clients(client):
    assert (await client.get("/v2/health/ready")).json() == {"live": True, "ready": True}
    assert (await client.get("/v2/models/default/ready")).json() == {
        "name": "default",
        "ready": True,
    }


async def test_pictures_and_requests_are_counted(client, picture):
    await client.post(PIPELINE, json=of_picture(picture, picture))
    metrics = (await client.get("/metrics")).text

    assert 'pose_requests_total{route="/v2/models/{name}/infer",status="200"} 1.0' in metrics
    assert "pose_persons_per_picture_count 2.0" in metrics


async def test_keys_are_asked_for_but_not_of_probes(estimator):
    settings = Settings(workers=1, api_keys="0123456789abcdef")  # type: ignore[arg-type]
    async with connect(create_app(settings, Given(estimator))) as client:
        refused = await client.get("/v2/models/default")
        allowed = await client.get("/v2/models/default", headers={"x-api-key": "0123456789abcdef"})
        probe = await client.get("/v2/health/ready")
        document = (await client.get("/openapi.json")).json()

    assert_problem(refused, 401, "unauthorized")
    assert (allowed.status_code, probe.status_code) == (200, 200)
    described = document["paths"]["/v2/models/{name}"]["get"]["responses"]["401"]
    assert set(described["content"]) == {"application/json"}


async def test_other_routes_keep_their_problem_documents(client):
    for path in ("/nowhere", "/v2x", "/v3"):
        answer = await client.get(path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "error" not in answer.json()
    assert_problem(await client.get("/v2/nowhere"), 404, "not-found")
    assert_problem(await client.post("/v2"), 405, "method-not-allowed")
