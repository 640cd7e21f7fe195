"""The files of the page that a person opens."""

import gzip
import re
from html.parser import HTMLParser

import pytest

from service.http.app import create_app
from service.http.web import CONTENT_POLICY, FOLDER, read_files
from service.settings import Settings
from tests.service.conftest import Given
from tests.service.http.conftest import connect

pytestmark = pytest.mark.anyio

KEY = "user-key-0123456789"
FILES = sorted(path.name for path in FOLDER.iterdir())
PATHS = ["/" if name == "index.html" else f"/web/{name}" for name in FILES]
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "jpg": "image/jpeg",
}
TEXTS = [path for path in FOLDER.iterdir() if path.suffix != ".jpg"]


class Page(HTMLParser):
    """What the HTML refers to, and what it should not have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.files: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.files += [given[name] for name in ("src", "href") if given.get(name, "#")[0] != "#"]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page((FOLDER / "index.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PATHS)
async def test_every_file_is_served_with_its_type(client, path):
    answer = await client.get(path)

    assert answer.status_code == 200
    suffix = "html" if path == "/" else path.rpartition(".")[2]
    assert answer.headers["content-type"] == TYPES[suffix]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    name = "index.html" if path == "/" else path.rpartition("/")[2]
    assert answer.content == (FOLDER / name).read_bytes()


async def test_the_page_may_load_only_from_the_service_itself(client):
    answer = await client.get("/")

    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert "http" not in CONTENT_POLICY
    directives = dict(part.strip().partition(" ")[::2] for part in CONTENT_POLICY.split(";"))
    assert directives["default-src"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"]
    assert directives["script-src"] == "'self'"


async def test_scripts_have_no_policy_of_a_page(client):
    answer = await client.get("/web/page.js")

    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/", "/web/page.js", "/web/example.jpg"])
async def test_what_a_browser_has_already_is_not_sent_again(client, path):
    first = await client.get(path)
    tag = first.headers["etag"]

    for known in (tag, f'"other", W/{tag}', "*"):
        again = await client.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "no-cache"
        # A 304's headers replace those that the browser has.
        policy = "content-security-policy"
        assert again.headers[policy] == first.headers[policy]
    changed = await client.get(path, headers={"if-none-match": '"other"'})
    assert changed.status_code == 200


async def test_texts_are_compressed_for_those_who_take_it(client):
    plain = await client.get("/", headers={"accept-encoding": "identity"})
    refused = await client.get("/", headers={"accept-encoding": "br, gzip;q=0"})
    packed = await client.get("/", headers={"accept-encoding": "br, gzip"})
    picture = await client.get("/web/example.jpg", headers={"accept-encoding": "gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == refused.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] != plain.headers["etag"] == refused.headers["etag"]
    assert "content-encoding" not in picture.headers


@pytest.mark.parametrize("path", ["/", "/web/style.css"])
async def test_head_has_the_headers_of_get(client, path):
    got, head = await client.get(path), await client.head(path)

    assert head.status_code == 200
    for name in ("etag", "content-type", "content-length", "content-security-policy"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    "path",
    [
        "/web",
        "/web/",
        "/web/nothing.js",
        "/web/index.html",
        "/web/../settings.py",
        "/web/%2e%2e/settings.py",
        "/web/..%2fsettings.py",
        "/web/page.js/",
        "/web//page.js",
    ],
)
async def test_nothing_else_can_be_reached(client, path):
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_files_cannot_be_written(client):
    answer = await client.post("/web/page.js", content=b"")

    assert answer.status_code == 405


async def test_the_page_needs_no_key_but_what_it_asks_does(estimator):
    app = create_app(Settings(workers=1, api_keys=KEY), Given(estimator))
    async with connect(app) as client:
        for path in PATHS:
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/models")).status_code == 401
        assert (await client.post("/predict")).status_code == 401
        assert (await client.get("/web/nothing.js")).status_code == 401
        assert (await client.get("/models", headers={"x-api-key": KEY})).status_code == 200


async def test_the_page_is_not_part_of_the_interfaces_description(client):
    paths = (await client.get("/openapi.json")).json()["paths"]

    assert not [path for path in paths if path == "/" or path.startswith("/web")]


async def test_all_that_the_html_refers_to_is_served(client, page):
    assert page.files
    for file in page.files:
        assert (await client.get(f"/{file.removeprefix('./')}")).status_code == 200


def test_the_html_holds_no_script_and_no_style(page):
    assert page.inline == []


def test_all_addresses_are_relative_so_that_a_proxy_may_add_a_prefix(page):
    assert not [file for file in page.files if file.startswith("/")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_file_refers_to_another_host(path):
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"(https?:)?//[a-z0-9]", text)
    assert "innerHTML" not in text


def test_modules_import_only_what_exists():
    for path in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', path.read_text(encoding="utf-8")):
            assert (FOLDER / name).is_file(), (path.name, name)


def test_scripts_ask_for_elements_that_exist(page):
    assert len(page.ids) == len(set(page.ids))
    for path in FOLDER.glob("*.js"):
        asked = re.findall(r'byId\("([^"]+)"\)', path.read_text(encoding="utf-8"))
        assert set(asked) <= set(page.ids), path.name


def test_the_page_stays_small():
    texts = b"".join(path.read_bytes() for path in TEXTS)

    assert len(gzip.compress(texts)) < 40_000
    assert (FOLDER / "example.jpg").stat().st_size < 60_000
    for path in FOLDER.glob("*.js"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_files_of_other_endings_are_no_part_of_the_page(tmp_path):
    for name in ("index.html", "page.js", "notes.txt", "script.py"):
        (tmp_path / name).write_text("x")

    assert [file.path for file in read_files(tmp_path)] == ["/", "/web/page.js"]
