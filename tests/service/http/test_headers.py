"""Headers that every answer has."""

import re

import pytest

pytestmark = pytest.mark.anyio

PATHS = ("/health/live", "/health/ready", "/models", "/metrics", "/openapi.json", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
async def test_browsers_neither_guess_nor_frame_nor_leak_nor_store(client, path):
    headers = (await client.get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"


async def test_predictions_are_not_stored(client, picture):
    for query in ("", "?format=image"):
        answer = await client.post(
            f"/predict{query}", content=picture, headers={"content-type": "image/png"}
        )

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"


async def test_documentation_may_load_what_it_needs_and_nothing_else(client):
    answer = await client.get("/docs")

    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["content-security-policy"].split(";")
    )
    addresses = re.findall(r'(?:src|href)="(https://[^/"]+)', answer.text)
    assert addresses
    for address in addresses:
        assert any(address in sources for sources in policy.values())
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"


async def test_headers_are_sent_once(client):
    answer = await client.get("/health/live")

    names = [name for name, _ in answer.headers.raw]
    assert len(names) == len(set(names))
