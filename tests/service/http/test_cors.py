"""What web pages of other origins may do."""

from dataclasses import replace

import pytest

from service.http.app import create_app
from service.settings import Settings, explain
from tests.service.conftest import Given
from tests.service.http.conftest import connect
from tests.service.http.test_app import BrokenSession
from tests.service.test_settings import failure_of

pytestmark = pytest.mark.anyio

ORIGIN = "https://app.example.com"
KEY = "user-key-0123456789"


@pytest.fixture
def shared(estimator):
    """An application that pages of one origin may ask, with a key."""
    return create_app(Settings(workers=1, cors_origins=ORIGIN, api_keys=KEY), Given(estimator))


def preflight(origin: str = ORIGIN, headers: str = "authorization,content-type") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": headers,
    }


async def test_preflight_needs_no_key(shared):
    async with connect(shared) as client:
        answer = await client.options("/predict", headers=preflight())

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert {"authorization", "x-api-key", "x-request-id"} <= set(allowed.split(", "))


@pytest.mark.parametrize(
    "headers", [preflight(origin="https://evil.example"), preflight(headers="x-odd")]
)
async def test_preflight_of_others_is_declined(shared, headers):
    async with connect(shared) as client:
        answer = await client.options("/predict", headers=headers)

    assert answer.status_code == 400


async def test_answers_and_problems_can_be_read_by_the_page(shared, picture):
    headers = {"origin": ORIGIN, "content-type": "image/png", "x-api-key": KEY}
    async with connect(shared) as client:
        answers = [
            await client.post("/predict", content=picture, headers=headers),
            await client.post("/predict", content=picture, headers={"origin": ORIGIN}),
            await client.post("/predict", content=b"", headers=headers),
            await client.get("/nowhere", headers=headers),
        ]

    assert [answer.status_code for answer in answers] == [200, 401, 400, 404]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        exposed = answer.headers["access-control-expose-headers"]
        assert {"X-Request-Id", "Server-Timing", "Retry-After"} <= set(exposed.split(", "))


async def test_failures_inside_can_be_read_by_the_page(estimator, picture):
    broken = replace(estimator, detector=BrokenSession(estimator.detector.card, "Broken"))
    app = create_app(Settings(workers=1, cors_origins=ORIGIN), Given(broken))
    async with connect(app) as client:
        answer = await client.post(
            "/predict", content=picture, headers={"origin": ORIGIN, "content-type": "image/png"}
        )

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_other_origins_are_not_named(shared):
    async with connect(shared) as client:
        answer = await client.get("/health/live", headers={"origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


async def test_star_is_every_origin(estimator):
    app = create_app(Settings(workers=1, cors_origins="*"), Given(estimator))
    async with connect(app) as client:
        answer = await client.get("/health/live", headers={"origin": ORIGIN})

    assert answer.headers["access-control-allow-origin"] == "*"


async def test_no_origin_is_allowed_unless_one_is_named(client):
    answer = await client.get("/health/live", headers={"origin": ORIGIN})

    assert "access-control-allow-origin" not in answer.headers


def test_origins_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("POSE_CORS_ORIGINS", f"{ORIGIN}, http://localhost:3000")

    assert Settings().cors_origins == (ORIGIN, "http://localhost:3000")


@pytest.mark.parametrize("wrong", ["https://example.com/", "example.com", "https://a/b", ""])
def test_origin_with_a_path_or_without_a_scheme_is_explained(wrong):
    sentence = explain(failure_of(cors_origins=[wrong]))

    assert "POSE_CORS_ORIGINS" in sentence
    assert repr(wrong) in sentence
