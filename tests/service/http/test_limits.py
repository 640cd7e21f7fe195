"""The slowest upload, and limits that contradict what the process may do."""

import asyncio
import resource

import pytest

from service.http import uploads
from service.http.app import create_app
from service.http.limits import connection_limits
from service.inference.errors import InvalidInput
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(uploads, "_RATE_GRACE_S", 0.05)


def app_with(estimator, min_bytes_per_s: int):
    return create_app(Settings(workers=1, min_upload_bytes_per_s=min_bytes_per_s), Given(estimator))


async def trickle(data: bytes, pause_s: float):
    for start in range(0, len(data), 100):
        yield data[start : start + 100]
        await asyncio.sleep(pause_s)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/predict", "image/png"), ("/predict/batch", "multipart/form-data; boundary=b")],
)
async def test_trickling_upload_is_given_up(estimator, path, content_type):
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + bytes(
        9000
    )
    app = app_with(estimator, 1_000_000)
    async with connect(app) as client:
        answer = await client.post(
            path, content=trickle(body, 0.05), headers={"content-type": content_type}
        )

    assert answer.status_code == 408
    assert answer.json()["type"] == "urn:stance:problem:upload-timeout"
    assert "1000000 bytes per second" in answer.json()["detail"]
    assert app.state.runtime.admission.inside == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("min_bytes_per_s", [0, 1])
async def test_slow_upload_is_taken_if_it_may_be(estimator, picture, min_bytes_per_s):
    async with connect(app_with(estimator, min_bytes_per_s)) as client:
        answer = await client.post("/predict", content=trickle(picture, 0.005), headers=PNG)

    assert answer.status_code == 200


def test_connections_are_at_most_the_files_that_may_be_open():
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    connection_limits(Settings(max_connections=min(files - 64, 1_000_000)))
    with pytest.raises(InvalidInput, match=f"max_connections is {files}, expected at most"):
        connection_limits(Settings(max_connections=files))


def test_limits_come_from_the_settings():
    limits = connection_limits(
        Settings(max_header_bytes=2048, header_timeout_s=3, keep_alive_timeout_s=4)
    )

    assert (limits.head_bytes, limits.head_s, limits.keep_alive_s) == (2048, 3, 4)
