import json
import re

import pytest

pytestmark = pytest.mark.anyio


async def test_live(client):
    answer = await client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_ready_names_the_pipeline_and_what_really_runs_it(client):
    answer = await client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "pipeline": "default",
        "pipelines": ["default"],
        "provider": "CPUExecutionProvider",
    }


async def test_models_show_cards_and_the_edges_to_draw(client, estimator):
    body = (await client.get("/models")).json()

    assert body["pipelines"] == {
        "default": {
            "detector": "test-detector/1",
            "keypoints": "test-keypoints/1",
            "min_person_score": 0.2,
            "min_box_score": None,
            "drawn_keypoint_score": 0.3,
        }
    }
    model = body["models"]["test-keypoints/1"]
    assert model["provider"] == "CPUExecutionProvider"
    assert model["card"] == estimator.keypoints.card.model_dump(mode="json")
    assert [0, 1] in model["card"]["skeleton"]["edges"]
    assert body["models"]["test-detector/1"]["card"]["task"] == "detection"


async def test_documentation_describes_every_body_of_predict(client):
    predict = (await client.get("/openapi.json")).json()["paths"]["/predict"]["post"]

    assert set(predict["requestBody"]["content"]) == {
        "multipart/form-data",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/bmp",
        "application/octet-stream",
    }
    form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(form) == {"image", "boxes"}


async def test_documentation_describes_every_answer_of_predict(client):
    predict = (await client.get("/openapi.json")).json()["paths"]["/predict"]["post"]

    answers = predict["responses"]
    assert set(answers) >= {"200", "400", "404", "408", "413", "415", "422", "503", "504"}
    assert set(answers["200"]["content"]) == {"application/json", "image/png", "image/jpeg"}
    (choice,) = answers["200"]["content"]["application/json"]["schema"].values()
    assert [schema.get("type", schema.get("$ref")) for schema in choice] == [
        "#/components/schemas/PredictionDocument",
        "array",
    ]
    for status in set(answers) - {"200"}:
        assert set(answers[status]["content"]) == {"application/problem+json"}


async def test_documentation_describes_every_parameter_of_predict(client):
    predict = (await client.get("/openapi.json")).json()["paths"]["/predict"]["post"]

    assert {parameter["name"] for parameter in predict["parameters"]} == {
        "X-Request-Timeout",
        "pipeline",
        "max_persons",
        "min_person_score",
        "min_keypoint_score",
        "format",
    }
    assert all(parameter["description"] for parameter in predict["parameters"])


async def test_documentation_refers_to_schemas_that_exist(client):
    text = (await client.get("/openapi.json")).text

    referred = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert "PredictionDocument" in referred
    assert referred <= set(json.loads(text)["components"]["schemas"])
