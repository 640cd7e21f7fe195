"""A network that fails on a picture: its sender gets an id that the log explains."""

import re
from dataclasses import replace

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.http.app import create_app
from service.inference.execution import Execution
from service.inference.session import open_session
from tests.service.conftest import Given
from tests.service.fragile import fragile_model
from tests.service.http.conftest import connect, encode

pytestmark = pytest.mark.anyio

PNG = {"content-type": "image/png"}


@pytest.fixture
def app(settings, estimator, bundles, tmp_path):
    card = bundles.keypoints_card()
    path = bundles.write(tmp_path / "fragile", card, fragile_model(bundles, card))
    fragile = open_session(path, Execution(device="cpu"))
    return create_app(settings, Given(replace(estimator, keypoints=fragile)))


async def test_failed_run_is_a_500_with_an_id_that_the_log_explains(app, caplog):
    white = encode(np.full((640, 640, 3), 255, np.uint8))
    async with connect(app) as client:
        with capture_logs() as logged:
            answer = await client.post("/predict", content=white, headers=PNG)

    problem = answer.json()
    [failure_id] = re.findall(r"[0-9a-f]{32}", problem["detail"])
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == problem["instance"]
    assert "Gather" not in answer.text
    # The cause under the failure's id, and the failure under the request's.
    [cause] = [record for record in caplog.records if failure_id in record.getMessage()]
    assert "Gather" in str(cause.exc_info[1])
    [told] = [entry for entry in logged if entry["event"] == "request failed"]
    assert told["failure_id"] == failure_id
    assert told["request_id"] == problem["instance"]
    assert "exc_info" not in told


async def test_next_request_is_answered(app, picture):
    white = encode(np.full((640, 640, 3), 255, np.uint8))
    async with connect(app) as client:
        await client.post("/predict", content=white, headers=PNG)
        answer = await client.post("/predict", content=picture, headers=PNG)

    assert answer.status_code == 200
    assert len(answer.json()["persons"]) == 1
