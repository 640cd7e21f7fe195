"""API keys: who may ask, who may change what is loaded, and that no key is ever told."""

import os

import pytest
from structlog.testing import capture_logs

from service.cli import main
from service.http import keys as keys_module
from service.http.app import create_app
from service.http.keys import Keys, Role
from service.inference.errors import InvalidInput
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio

USER, OTHER, ADMIN = "user-key-0123456789", "other-key-0123456789", "admin-key-0123456789"
PNG = {"content-type": "image/png"}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def locked(estimator):
    """An application with two users' keys and one admin's."""
    settings = Settings(workers=1, api_keys=f"{USER}, {OTHER}", admin_keys=ADMIN)
    return create_app(settings, Given(estimator))


@pytest.mark.parametrize(
    "headers",
    [
        bearer(USER),
        bearer(OTHER),
        bearer(ADMIN),
        {"authorization": f"bearer  {USER} "},
        {"x-api-key": USER},
        {"x-api-key": USER, "authorization": "Basic eDp5"},
    ],
)
async def test_known_key_is_let_in(locked, picture, headers):
    async with connect(locked) as client:
        answer = await client.post("/predict", content=picture, headers={**PNG, **headers})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({}, "missing"),
        ({"authorization": f"Basic {USER}"}, "missing"),
        (bearer("wrong-key-0123456789"), "not known"),
        (bearer(USER[:-1]), "not known"),
        (bearer(USER + "0"), "not known"),
        (bearer(f"{USER},{OTHER}"), "not known"),
        ({"x-api-key": ""}, "not known"),
        ({"x-api-key": "wrong", **bearer(USER)}, "not known"),
    ],
)
async def test_request_without_a_known_key_is_a_problem(locked, headers, sentence):
    async with connect(locked) as client:
        answer = await client.post("/predict", content=b"never read", headers=headers)
        metrics = (await client.get("/metrics")).text

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:stance:problem:unauthorized"
    assert answer.json()["instance"] == answer.headers["x-request-id"]
    assert sentence in answer.json()["detail"]
    assert "wrong" not in answer.text
    assert 'pose_rejections_total{reason="unauthorized"} 1.0' in metrics


async def test_nothing_is_read_and_no_place_taken_without_a_key(locked):
    async def body():
        raise AssertionError("the body was read")
        yield b""

    async with connect(locked) as client:
        answer = await client.post("/predict", content=body(), headers=PNG)

    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/predict/batch", "/models", "/nowhere", "/v2/models/default"])
async def test_every_other_path_needs_a_key(locked, path):
    async with connect(locked) as client:
        assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json", "/"]
)
async def test_probes_metrics_and_documentation_need_no_key(locked, path):
    async with connect(locked) as client:
        assert (await client.get(path)).status_code < 400


async def test_nobody_needs_a_key_unless_there_are_some(client, picture):
    answer = await client.post("/predict", content=picture, headers={**PNG, **bearer("any")})

    assert answer.status_code == 200


async def test_admin_may_load_and_unload(locked):
    async with connect(locked) as client:
        loaded = await client.post("/models/second/load", headers=bearer(ADMIN))
        unloaded = await client.post("/models/second/unload", headers=bearer(ADMIN))

    assert "second" in loaded.json()["pipelines"]
    assert "second" not in unloaded.json()["pipelines"]


@pytest.mark.parametrize("verb", ["load", "unload"])
async def test_user_may_neither_load_nor_unload(locked, verb):
    async with connect(locked) as client:
        answer = await client.post(f"/models/default/{verb}", headers=bearer(USER))

    assert answer.status_code == 403
    assert "admin" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("given", "headers", "status"),
    [
        ({}, {}, 403),
        ({}, bearer(ADMIN), 403),
        ({"api_keys": USER}, bearer(USER), 403),
        ({"admin_keys": ADMIN}, {}, 401),
        ({"admin_keys": ADMIN}, bearer(USER), 401),
        ({"admin_keys": ADMIN}, bearer(ADMIN), 200),
    ],
)
async def test_loading_needs_an_admin_whether_or_not_asking_needs_a_key(
    estimator, given, headers, status
):
    app = create_app(Settings(workers=1, **given), Given(estimator))
    async with connect(app) as client:
        answer = await client.post("/models/default/load", headers=headers)

    assert answer.status_code == status


async def test_switched_off_loading_names_the_setting(client):
    answer = await client.post("/models/default/load")

    assert "POSE_ADMIN_KEYS" in answer.json()["detail"]


def test_file_holds_a_key_in_each_line(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{USER}\n\n   {OTHER}  \n")

    keys = Keys(Settings(api_keys_file=file))

    assert keys.role(USER.encode()) is Role.USER
    assert keys.role(OTHER.encode()) is Role.USER
    assert keys.role(b"# ours") is None
    assert keys.role(b"") is None


def test_key_of_both_lists_is_an_admins():
    keys = Keys(Settings(api_keys=f"{USER},{ADMIN}", admin_keys=ADMIN))

    assert (keys.role(ADMIN.encode()), keys.role(USER.encode())) == (Role.ADMIN, Role.USER)


def test_changed_file_is_read_again_and_a_bad_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(keys_module, "_REREAD_S", 0.0)
    file = tmp_path / "keys"
    file.write_text(USER)
    keys = Keys(Settings(api_keys_file=file))

    write(file, OTHER, 1)
    changed = [keys.role(key.encode()) for key in (USER, OTHER)]
    with capture_logs() as logs:
        write(file, "short", 2)
        kept = [keys.role(key.encode()) for key in (OTHER, "short")]

    assert changed == [None, Role.USER]
    assert kept == [Role.USER, None]
    (line,) = logs
    assert "line 1 has 5 characters" in line["reason"]


def write(file, text: str, time_ns: int) -> None:
    file.write_text(text)
    os.utime(file, ns=(time_ns, time_ns))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"api_keys": "secret"}, "key 1 of POSE_API_KEYS has 6 characters, expected at least 16"),
        ({"admin_keys": f"{USER},secret"}, "key 2 of POSE_ADMIN_KEYS has 6 characters"),
        ({"api_keys": f"{USER},"}, "key 2 of POSE_API_KEYS has 0 characters"),
        ({"api_keys": "a secret of two words"}, "key 1 of POSE_API_KEYS has a character other"),
        ({"api_keys": "gehéimnisgehéimnis"}, "has a character other"),
    ],
)
def test_weak_keys_are_refused_and_not_told(given, sentence):
    with pytest.raises(InvalidInput, match=sentence) as caught:
        Keys(Settings(**given))

    assert "secret" not in str(caught.value)


def test_file_that_cannot_be_used_is_named(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("# none\n")

    with pytest.raises(InvalidInput, match=r"POSE_API_KEYS_FILE: .*empty holds no key"):
        Keys(Settings(api_keys_file=empty))
    with pytest.raises(InvalidInput, match=r"POSE_ADMIN_KEYS_FILE is .*missing"):
        Keys(Settings(admin_keys_file=tmp_path / "missing"))


def test_weak_key_stops_the_start(monkeypatch, capsys, models_dir):
    monkeypatch.setenv("POSE_API_KEYS", "hush-hush")

    code = main(["serve", "--models-dir", str(models_dir)])

    stderr = capsys.readouterr().err
    assert code == 2
    assert "error: key 1 of POSE_API_KEYS has 9 characters" in stderr
    assert "hush" not in stderr


def test_help_and_settings_do_not_tell_keys(monkeypatch, capsys):
    monkeypatch.setenv("POSE_API_KEYS", USER)

    with pytest.raises(SystemExit):
        main(["serve", "--help"])

    assert USER not in capsys.readouterr().out
    assert USER not in repr(Settings())


async def test_keys_are_not_logged(locked, picture):
    with capture_logs() as logs:
        async with connect(locked) as client:
            for key in (USER, "wrong-key-0123456789"):
                await client.post("/predict", content=picture, headers={**PNG, **bearer(key)})

    assert "0123456789" not in str(logs)


async def test_documentation_tells_which_routes_need_a_key(locked, client):
    async with connect(locked) as locked_client:
        closed = (await locked_client.get("/openapi.json")).json()
    opened = (await client.get("/openapi.json")).json()

    assert set(closed["components"]["securitySchemes"]) == {"bearer", "header"}
    assert closed["paths"]["/predict"]["post"]["security"] == [{"bearer": []}, {"header": []}]
    assert "401" in closed["paths"]["/models"]["get"]["responses"]
    assert "security" not in closed["paths"]["/health/live"]["get"]
    assert "security" not in opened["paths"]["/predict"]["post"]
    for description in (closed, opened):
        load = description["paths"]["/models/{name}/load"]["post"]
        assert load["security"]
        assert {"401", "403"} <= set(load["responses"])
