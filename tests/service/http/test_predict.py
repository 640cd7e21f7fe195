import json

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from service.http.app import create_app
from tests.service.conftest import Given
from tests.service.http.conftest import DOT, connect, encode

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


async def predict(client, data, **query):
    return await client.post("/predict", content=data, headers=PNG, params=query)


async def test_raw_picture_is_answered_with_people_in_its_pixels(client, picture):
    answer = await predict(client, picture)

    assert answer.status_code == 200
    body = answer.json()
    assert body["model"] == {
        "pipeline": "default",
        "detector": "test-detector/1",
        "keypoints": "test-keypoints/1",
    }
    assert body["image"] == {"width": 640, "height": 480}
    (person,) = body["persons"]
    assert person["score"] == pytest.approx(0.9, abs=0.01)
    assert person["box"] == {"x": 160.0, "y": 0.0, "width": 240.0, "height": 480.0}
    assert len(person["keypoints"]) == 17
    assert person["keypoints"][0]["name"] == "nose"
    assert abs(person["keypoints"][0]["x"] - DOT[0]) <= 10
    assert abs(person["keypoints"][0]["y"] - DOT[1]) <= 10


async def test_timings_name_every_stage(client, picture):
    answer = await predict(client, picture)

    timings = answer.json()["timings_ms"]
    assert set(timings) == {"decode", "detect", "keypoints", "queue", "total"}
    parts = sum(value for stage, value in timings.items() if stage != "total")
    assert 0 < parts <= timings["total"] + 0.05
    assert "detect;dur=" in answer.headers["server-timing"]


async def test_form_is_answered_like_a_raw_body(client, picture):
    raw = await predict(client, picture)
    form = await client.post("/predict", files={"image": ("me.png", picture, "image/png")})

    assert form.status_code == 200
    assert form.json()["persons"] == raw.json()["persons"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
async def test_every_format_is_taken_as_octet_stream(client, suffix):
    data = encode(np.full((40, 60, 3), 255, np.uint8), suffix)

    answer = await client.post(
        "/predict", content=data, headers={"content-type": "application/octet-stream"}
    )

    assert answer.status_code == 200
    assert answer.json()["image"] == {"width": 60, "height": 40}


async def test_nobody_there_is_an_empty_list(client):
    answer = await predict(client, encode(np.zeros((48, 64, 3), np.uint8)))

    assert answer.status_code == 200
    assert answer.json()["persons"] == []


async def test_boxes_skip_the_detector(client, picture):
    x, y = DOT
    boxes = [[x - 50.5, y - 60, 100, 120]]

    answer = await client.post(
        "/predict", files={"image": picture}, data={"boxes": json.dumps(boxes)}
    )

    (person,) = answer.json()["persons"]
    assert person["box"] == {"x": x - 50.5, "y": y - 60, "width": 100, "height": 120}
    assert person["score"] == pytest.approx(1.0)


async def test_empty_list_of_boxes_means_nobody(client, picture):
    answer = await client.post("/predict", files={"image": picture}, data={"boxes": "[]"})

    assert answer.json()["persons"] == []


async def test_people_are_limited_and_best_first(client, picture):
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    pixels[200:220, 500:520] = 255
    two = encode(pixels)

    everyone = (await predict(client, two)).json()["persons"]
    best = (await predict(client, two, max_persons=1)).json()["persons"]

    assert len(everyone) == 2
    assert everyone[0]["score"] > everyone[1]["score"]
    assert best == everyone[:1]


async def test_people_below_the_asked_score_are_left_out(client, picture):
    assert len((await predict(client, picture, min_person_score=0.85)).json()["persons"]) == 1
    assert (await predict(client, picture, min_person_score=0.95)).json()["persons"] == []


async def test_joints_below_the_asked_score_are_left_out_of_json(client, picture):
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    grey = encode((pixels * 0.5).astype(np.uint8))

    shown = (await predict(client, grey)).json()["persons"][0]["keypoints"]
    hidden = (await predict(client, grey, min_keypoint_score=0.6)).json()["persons"][0]["keypoints"]

    assert len(shown) == 17
    assert hidden == []


async def test_coco_results_hold_all_joints_as_triples(client, picture):
    answer = await predict(client, picture, format="coco")

    (result,) = answer.json()
    assert set(result) == {"image_id", "category_id", "keypoints", "score", "bbox"}
    assert result["category_id"] == 1
    assert len(result["keypoints"]) == 17 * 3
    assert result["bbox"] == [160.0, 0.0, 240.0, 480.0]


async def test_coco_results_have_zeros_for_hidden_joints(client, picture):
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    grey = encode((pixels * 0.5).astype(np.uint8))

    answer = await predict(client, grey, format="coco", min_keypoint_score=0.6)

    assert answer.json()[0]["keypoints"] == [0.0] * 51


@pytest.mark.parametrize(
    ("accept", "media_type"), [("image/png", "image/png"), ("image/jpeg", "image/jpeg")]
)
async def test_drawing_is_a_picture_of_the_same_size(client, picture, accept, media_type):
    answer = await client.post(
        "/predict", content=picture, headers={**PNG, "accept": accept}, params={"format": "image"}
    )

    assert answer.headers["content-type"] == media_type
    assert "total;dur=" in answer.headers["server-timing"]
    drawn = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (480, 640, 3)
    # The picture is grey: colours come from the drawing.
    assert np.ptp(drawn, axis=2).max() > 50


async def test_drawing_leaves_out_joints_below_the_asked_score(client, picture):
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    grey = encode((pixels * 0.5).astype(np.uint8))

    everything = await predict(client, grey, format="image", min_keypoint_score=0)
    strict = await predict(client, grey, format="image", min_keypoint_score=0.99)

    assert everything.content != strict.content


async def test_real_photograph_is_answered(client):
    data = encode(astronaut()[..., ::-1], ".jpg")

    answer = await client.post("/predict", content=data, headers={"content-type": "image/jpeg"})

    assert answer.status_code == 200
    assert answer.json()["image"] == {"width": 512, "height": 512}


async def test_answers_are_counted(client, picture):
    await predict(client, picture)
    await predict(client, b"")

    metrics = (await client.get("/metrics")).text
    assert 'pose_requests_total{route="/predict",status="200"} 1.0' in metrics
    assert 'pose_requests_total{route="/predict",status="400"} 1.0' in metrics
    assert 'pose_rejections_total{reason="malformed-request"} 1.0' in metrics
    assert "pose_persons_per_picture_sum 1.0" in metrics
    for stage in ("queue", "decode", "detect", "keypoints", "total"):
        assert f'pose_stage_duration_seconds_count{{stage="{stage}"}} 1.0' in metrics


async def test_two_applications_count_apart(settings, estimator, picture):
    async with (
        connect(create_app(settings, Given(estimator))) as first,
        connect(create_app(settings, Given(estimator))) as second,
    ):
        await predict(first, picture)

        assert "pose_persons_per_picture_count 1.0" in (await first.get("/metrics")).text
        assert "pose_persons_per_picture_count 0.0" in (await second.get("/metrics")).text
