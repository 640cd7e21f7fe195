"""What the page says when something goes wrong, and what one can do then."""

import json

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import MODELS, start_server
from tests.e2e.opened import ASTRONAUT, Opened

pytestmark = pytest.mark.slow

KEY = "a-key-for-the-page-0123"


def refuse(opened: Opened, status: int, *, times: int = 1_000, retry_after: str = "") -> None:
    """Answers pictures with a problem in place of the service."""
    document = {"title": f"Title {status}", "detail": "The detail.", "instance": "id-7"}

    def answer(route: Route) -> None:
        route.fulfill(
            status=status,
            body=json.dumps(document | {"status": status}),
            content_type="application/problem+json",
            headers={"retry-after": retry_after} if retry_after else {},
        )

    opened.page.route("**/predict?*", answer, times=times)


def test_a_file_that_is_no_picture_gets_the_services_own_words(opened):
    opened.add({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})

    problem = opened["#problem"]
    expect(problem).to_contain_text("The format is not supported")
    expect(problem).to_contain_text("JPEG, PNG, WebP and BMP can be read")
    expect(problem).to_contain_text("image begins with b'hello'")
    expect(problem).to_have_attribute("role", "alert")
    request_id = opened.predictions[0].response().header_value("x-request-id")
    expect(problem).to_contain_text(f"Status 415, request {request_id}")
    expect(opened["#problem button"]).to_have_count(0)
    expect(opened["#summary"]).to_have_text("No answer")


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (404, "The pipeline may have been unloaded"),
        (408, "The connection seems slow"),
        (413, "Make the picture smaller"),
        (422, "The file may be damaged"),
        (500, "tell whoever runs this service the request's id"),
        (504, "too busy to answer in time"),
    ],
)
def test_each_problem_says_what_to_do(opened, status, hint):
    refuse(opened, status)

    opened.add(ASTRONAUT)

    for text in (f"Title {status}", hint, "The detail.", f"Status {status}, request id-7"):
        expect(opened["#problem"]).to_contain_text(text)


def test_a_busy_service_is_asked_again_after_the_time_it_names(opened):
    refuse(opened, 503, times=1, retry_after="2")

    opened.add(ASTRONAUT)

    expect(opened["#progress"]).to_have_text("The service is busy, trying again in 2 s")
    expect(opened["#strip .state"]).to_have_text("busy, again in 2 s")
    expect(opened["#people .person"]).to_have_count(1)
    expect(opened["#problem"]).to_be_hidden()
    assert len(opened.predictions) == 2


def test_a_service_that_is_gone_may_come_back(opened):
    opened.page.route("**/predict?*", lambda route: route.abort("connectionrefused"), times=1)
    opened.add(ASTRONAUT)
    expect(opened["#problem"]).to_contain_text("The service cannot be reached")

    opened["#problem button"].click()

    expect(opened["#people .person"]).to_have_count(1)
    expect(opened["#problem"]).to_be_hidden()


def test_an_answer_of_something_else_is_told_too(opened):
    opened.page.route(
        "**/predict?*", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>")
    )

    opened.add(ASTRONAUT)

    expect(opened["#problem"]).to_contain_text("The answer was 502")


def test_a_picture_that_only_the_service_can_read_still_has_its_people(shipped, open_page):
    script = "window.createImageBitmap = () => Promise.reject(new Error('unreadable'));"
    opened = open_page(shipped, script=script)

    opened.add_astronaut()

    expect(opened["#about"]).to_contain_text("this browser cannot show the picture")
    assert opened.colours()["left"] > 100


def test_a_service_with_keys_is_used_with_one(open_page):
    server = start_server(models_dir=MODELS, api_keys=KEY, log_level="warning").wait_until_ready()
    try:
        opened = open_page(server)
        field = opened["#key"]
        expect(field).to_be_focused()
        expect(opened["#key-message"]).to_have_text("This service asks for an API key.")
        expect(opened["#problem"]).to_be_hidden()
        opened.add(ASTRONAUT)
        expect(opened["#problem"]).to_contain_text("A key is needed")
        expect(opened["#strip .state"]).to_have_text("problem")

        field.fill("a-wrong-key-0123456789")
        field.press("Enter")
        expect(opened["#key-message"]).to_have_text("This key is not known.")
        field.fill(KEY)
        field.press("Enter")

        # Also what failed before is asked again.
        expect(opened["#people .person"]).to_have_count(1)
        expect(opened["#key-form"]).to_be_hidden()
        expect(opened["#problem"]).to_be_hidden()
        expect(opened["#curl"]).to_contain_text('-H "X-API-Key: $STANCE_API_KEY"')
        expect(opened["#python"]).to_contain_text('api_key=os.environ["STANCE_API_KEY"]')
        assert KEY not in opened["body"].inner_text()
        assert opened.predictions[-1].header_value("x-api-key") == KEY
        assert not any(KEY in request.url for request in opened.requests)
        assert opened.page.evaluate("localStorage.length") == 0
    finally:
        server.kill()


def test_a_service_that_is_starting_is_waited_for(shipped, open_page):
    def starting(page) -> None:
        document = {"title": "The service is starting", "status": 503}
        page.route(
            "**/models",
            lambda route: route.fulfill(status=503, json=document, headers={"retry-after": "2"}),
            times=1,
        )

    opened = open_page(shipped, before=starting, ready=False)

    expect(opened["#problem"]).to_contain_text("The service is starting")
    expect(opened["#problem"]).to_contain_text("This page goes on by itself.")
    expect(opened["body"]).to_have_attribute("data-ready", "true")
    expect(opened["#problem"]).to_be_hidden()
    opened.add_astronaut()


def test_the_key_outlives_a_reload_but_not_the_tab(open_page):
    server = start_server(models_dir=MODELS, api_keys=KEY, log_level="warning").wait_until_ready()
    try:
        opened = open_page(server)
        opened["#key"].fill(KEY)
        opened["#key"].press("Enter")
        expect(opened["#key-form"]).to_be_hidden()
        opened.page.reload()
        opened.add_astronaut()
        other = open_page(server)
        expect(other["#key-form"]).to_be_visible()
    finally:
        server.kill()
