"""What needs more than the client of the other tests: large forms, odd headers, slow streams."""

import tempfile

import pytest

from service.http.app import create_app
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio


async def test_large_form_is_read_without_a_disk(estimator, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("read-only")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    settings = Settings(workers=1, max_upload_bytes=5_000_000)
    async with connect(create_app(settings, Given(estimator))) as client:
        answer = await client.post("/predict", files={"image": b"\xff\xd8" + bytes(3_000_000)})

    # It was read as a whole: what is wrong is the picture.
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:stance:problem:invalid-image"


async def test_picture_of_just_the_limit_is_taken(estimator, picture):
    settings = Settings(workers=1, max_upload_bytes=len(picture))
    async with connect(create_app(settings, Given(estimator))) as client:
        raw = await client.post("/predict", content=picture, headers={"content-type": "image/png"})
        form = await client.post("/predict", files={"image": picture})

    assert (raw.status_code, form.status_code) == (200, 200)


@pytest.mark.parametrize("content_type", ["IMAGE/PNG", "image/png; charset=binary"])
async def test_content_type_may_be_written_in_any_case_and_with_parameters(
    client, picture, content_type
):
    answer = await client.post("/predict", content=picture, headers={"content-type": content_type})

    assert answer.status_code == 200


async def test_declared_type_may_be_wrong_if_the_bytes_are_a_picture(client, picture):
    answer = await client.post("/predict", content=picture, headers={"content-type": "image/jpeg"})

    assert answer.status_code == 200


async def test_stream_without_announced_size_is_taken(client, picture):
    async def chunks():
        for start in range(0, len(picture), 100):
            yield picture[start : start + 100]

    answer = await client.post("/predict", content=chunks(), headers={"content-type": "image/png"})

    assert answer.status_code == 200
