"""`POST /predict/video`: what is answered and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from service.http.app import create_app
from service.inference.errors import InferenceFailed
from service.settings import Settings
from tests.service import video_files
from tests.service.conftest import Given
from tests.service.http.conftest import WHITE_FRAMES as COUNT
from tests.service.http.conftest import connect, encode

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("spool_dir")]

MP4 = {"content-type": "video/mp4"}


def lines_of(answer) -> list[dict]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_answer_is_a_header_a_line_for_each_frame_and_a_summary(client, white):
    answer = await client.post("/predict/video", content=white, headers=MP4)

    header, *frames, summary = lines_of(answer)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert header["kind"] == "header"
    assert (header["fps"], header["frames"]) == (video_files.FPS, COUNT)
    assert header["image"] == {"width": 128, "height": 128}
    assert header["model"]["pipeline"] == "default"
    assert header["keypoints"][0] == "nose"
    assert [0, 1] in header["edges"]
    assert [frame["frame"] for frame in frames] == list(range(COUNT))
    assert [frame["time_s"] for frame in frames] == [at / 10 for at in range(COUNT)]
    assert all([one["track_id"] for one in frame["persons"]] == [1, 2] for frame in frames)
    assert frames[0]["timings_ms"]["total"] > 0
    assert (summary["kind"], summary["frames"], summary["tracks"]) == ("summary", COUNT, 2)
    assert summary["seconds"] == pytest.approx(0.5)


async def test_people_are_those_of_the_same_picture(client, white):
    picture = encode(np.full((128, 128, 3), 255, np.uint8))
    single = (
        await client.post("/predict", content=picture, headers={"content-type": "image/png"})
    ).json()

    answer = await client.post(
        "/predict/video?max_frames=1&track=false", content=white, headers=MP4
    )

    _, frame, summary = lines_of(answer)
    boxes = [one["box"] for one in single["persons"]]
    assert [one["box"] for one in frame["persons"]] == boxes
    # As `/predict` answers: without a number.
    assert [set(one) for one in frame["persons"]] == [set(one) for one in single["persons"]]
    assert "tracks" not in summary


async def test_every_second_frame_may_be_asked_for(client, white):
    answer = await client.post("/predict/video?every=2&max_frames=2", content=white, headers=MP4)

    _, *frames, summary = lines_of(answer)
    assert [frame["frame"] for frame in frames] == [0, 2]
    assert summary["frames"] == 2


async def test_thresholds_are_those_of_predict(client, white):
    answer = await client.post(
        "/predict/video?max_persons=1&min_keypoint_score=1&max_frames=1", content=white, headers=MP4
    )
    strict = await client.post(
        "/predict/video?min_person_score=0.95&max_frames=1", content=white, headers=MP4
    )

    assert len(lines_of(answer)[1]["persons"]) == 1
    assert lines_of(strict)[1]["persons"] == []


async def test_form_is_as_good_as_a_raw_body(client, white):
    answer = await client.post("/predict/video?max_frames=1", files={"video": white})

    assert [line["kind"] for line in lines_of(answer)] == ["header", "frame", "summary"]


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"image": b"x"}, 422),
        ({"video": b""}, 400),
        ([("video", b"x"), ("video", b"y")], 400),
        ([("video", (None, "text"))], 422),
    ],
)
async def test_form_without_one_video_is_refused(client, files, status):
    answer = await client.post("/predict/video", files=files)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("broken", "status", "slug"),
    [
        (lambda _: b"", 400, "malformed-request"),
        (lambda _: b"no video", 415, "unsupported-media-type"),
        (lambda _: b"\xff\xd8\xff" + bytes(99), 415, "unsupported-media-type"),
        (lambda _: video_files.sound_only(), 422, "invalid-video"),
        (lambda folder: video_files.mp4(folder)[:600], 422, "invalid-video"),
        (lambda folder: video_files.playlist(folder / "x.avi"), 415, "unsupported-media-type"),
        (
            lambda folder: video_files.with_rate(video_files.avi(folder), 2**32 - 1, 1),
            422,
            "invalid-video",
        ),
        (
            lambda folder: video_files.with_count(video_files.avi(folder), 2**31 - 1),
            413,
            "video-too-large",
        ),
    ],
)
async def test_what_is_no_video_is_a_problem_before_the_stream(
    client, tmp_path, broken, status, slug
):
    answer = await client.post("/predict/video", content=broken(tmp_path), headers=MP4)

    assert answer.status_code == status
    assert answer.json()["type"].endswith(slug)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_video_bytes": 1024}, "expected at most 1024"),
        ({"max_video_frames": COUNT - 1}, "max_video_frames"),
        ({"max_video_seconds": 0.3}, "max_video_seconds"),
        ({"max_pixels": 1000}, "max_pixels"),
    ],
)
async def test_limits_are_told_before_the_stream(settings, estimator, white, limits, said):
    app = create_app(settings.model_copy(update=limits), Given(estimator))
    async with connect(app) as client:
        raw = await client.post("/predict/video", content=white, headers=MP4)
        form = await client.post("/predict/video", files={"video": white})

    for answer in (raw, form):
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:stance:problem:video-too-large"
        assert said in answer.json()["detail"]


async def test_other_bodies_are_not_read(client, white):
    for headers in ({"content-type": "image/png"}, {**MP4, "content-encoding": "gzip"}):
        assert (
            await client.post("/predict/video", content=white, headers=headers)
        ).status_code == 415


@pytest.mark.parametrize("query", ["every=0", "max_frames=0", "track=false&smooth=true", "odd=1"])
async def test_wrong_parameters_are_refused(client, white, query):
    answer = await client.post(f"/predict/video?{query}", content=white, headers=MP4)

    assert answer.status_code == 422


async def test_header_that_lies_ends_the_answer_with_a_problem(settings, estimator, tmp_path):
    settings = settings.model_copy(update={"max_video_frames": 4})
    data = video_files.with_count(video_files.avi(tmp_path), 2)
    app = create_app(settings, Given(estimator))
    async with connect(app) as client:
        answer = await client.post(
            "/predict/video", content=data, headers={**MP4, "x-request-id": "find-me"}
        )
        metrics = (await client.get("/metrics")).text

    *before, last = lines_of(answer)
    assert [line["kind"] for line in before] == ["header"] + ["frame"] * 4
    assert (last["status"], last["instance"]) == (413, "find-me")
    assert "more than 4 frames" in last["detail"]
    assert 'pose_rejections_total{reason="video-too-large"} 1.0' in metrics
    assert 'pose_videos_total{result="failed"} 1.0' in metrics
    assert app.state.runtime.inside == 0


async def test_network_that_fails_ends_the_answer_with_a_problem(settings, estimator, white):
    class Fragile:
        card, provider = estimator.detector.card, "fake"
        runs = 0

        def run(self, image):
            self.runs += 1
            if self.runs == 3:
                raise InferenceFailed("f1")
            return estimator.detector.run(image)

    app = create_app(settings, Given(replace(estimator, detector=Fragile())))
    async with connect(app) as client:
        answer = await client.post("/predict/video", content=white, headers=MP4)

    *before, last = lines_of(answer)
    assert len(before) == 3
    assert (last["status"], last["type"]) == (500, "urn:stance:problem:internal-error")


async def test_video_needs_a_key_where_there_are_some(estimator, white):
    locked = Settings(workers=1, api_keys="user-key-0123456789")
    async with connect(create_app(locked, Given(estimator))) as client:
        none = await client.post("/predict/video", content=white, headers=MP4)
        some = await client.post(
            "/predict/video?max_frames=1",
            content=white,
            headers={**MP4, "x-api-key": "user-key-0123456789"},
        )

    assert (none.status_code, some.status_code) == (401, 200)


async def test_frames_and_videos_are_counted(client, white):
    await client.post("/predict/video", content=white, headers=MP4)
    metrics = (await client.get("/metrics")).text

    assert 'pose_videos_total{result="complete"} 1.0' in metrics
    assert f'pose_frames_total{{result="answered",source="video"}} {COUNT}.0' in metrics
    assert f"pose_persons_per_picture_count {COUNT}.0" in metrics


async def test_description_names_the_body_and_the_lines(client):
    operation = (await client.get("/openapi.json")).json()["paths"]["/predict/video"]["post"]

    assert {"multipart/form-data", "video/*"} <= set(operation["requestBody"]["content"])
    lines = operation["responses"]["200"]["content"]["application/x-ndjson"]["schema"]["anyOf"]
    assert [line["title"] for line in lines] == [
        "VideoHeaderDocument",
        "VideoFrameDocument",
        "VideoSummaryDocument",
        "Problem",
    ]
    assert {"every", "max_frames", "track", "smooth"} <= {
        parameter["name"] for parameter in operation["parameters"]
    }
