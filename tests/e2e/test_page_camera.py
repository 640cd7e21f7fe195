"""The page with the browser's own camera, which shows a disc that turns."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.opened import INSECURE_HOST, PATIENCE_MS, Opened

pytestmark = pytest.mark.slow

REFUSING = """
navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "{}"));
"""


def wait_for_frames(opened: Opened, frames: int) -> None:
    for _ in range(PATIENCE_MS // 50):
        if int(opened["#canvas"].get_attribute("data-frames") or 0) >= frames:
            return
        opened.page.wait_for_timeout(50)
    raise TimeoutError


def test_frames_are_asked_one_at_a_time_until_the_camera_is_stopped(opened):
    waiting, most = set(), 0

    def count(request) -> None:
        nonlocal most
        if "/predict?" in request.url:
            waiting.add(request)
            most = max(most, len(waiting))

    opened.page.on("request", count)
    opened.page.on("requestfinished", lambda one: waiting.discard(one))
    opened["#camera"].click()
    wait_for_frames(opened, 5)
    expect(opened["#camera"]).to_have_text("Stop the camera")
    expect(opened["#about"]).to_have_text(re.compile(r"^\d+\.\d frames per second"))

    opened["#camera"].click()
    expect(opened["#camera"]).to_have_text("Use the camera")
    opened.page.wait_for_timeout(500)
    asked = len(opened.predictions)
    opened.page.wait_for_timeout(1_000)

    assert len(opened.predictions) == asked >= 5
    assert most == 1
    expect(opened["#about"]).not_to_contain_text("frames per second")
    assert opened.predictions[0].header_value("content-type") == "image/jpeg"


def test_a_busy_service_makes_the_camera_wait(opened):
    opened.page.route(
        "**/predict?*",
        lambda route: route.fulfill(status=503, headers={"retry-after": "2"}, json={}),
        times=1,
    )
    opened["#camera"].click()

    wait_for_frames(opened, 2)

    expect(opened["#problem"]).to_be_hidden()
    first, second = opened.predictions[:2]
    assert second.timing["startTime"] - first.timing["startTime"] > 1_500


def test_a_picture_takes_the_place_of_the_camera(opened):
    opened["#camera"].click()
    wait_for_frames(opened, 1)

    opened.add_astronaut()

    expect(opened["#camera"]).to_have_text("Use the camera")
    expect(opened["#about"]).to_contain_text("astronaut.jpg")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("NotAllowedError", "The camera was not allowed"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "The camera is used by another program"),
    ],
)
def test_a_camera_that_does_not_come_is_explained(shipped, open_page, name, title):
    opened = open_page(shipped, script=REFUSING.replace("{}", name))

    opened["#camera"].click()

    expect(opened["#problem"]).to_contain_text(title)
    expect(opened["#camera"]).to_have_text("Use the camera")


def test_without_https_the_page_says_why_there_is_no_camera(shipped, open_page):
    opened = open_page(shipped, host=INSECURE_HOST)

    opened["#camera"].click()

    expect(opened["#problem"]).to_contain_text("Open this page over https")
    opened.add_astronaut()
