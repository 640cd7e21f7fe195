"""The page as a person uses it: pictures, limits, downloads, code, keys of the keyboard."""

import json
import os
import re
import shlex
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
from playwright.sync_api import expect

from tests.e2e.conftest import start_server
from tests.e2e.opened import ASTRONAUT, INSECURE_HOST, Opened

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def file_of(name: str, pixels: np.ndarray) -> dict:
    buffer = BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}


@pytest.fixture(scope="module")
def crowd() -> dict:
    """A picture of three astronauts, the middle one mirrored."""
    one = skimage.data.astronaut()
    return file_of("crowd.png", np.hstack([one, one[:, ::-1], one]))


def test_a_picture_gets_its_skeleton_and_its_person_is_listed(opened):
    opened.add_astronaut()

    expect(opened["#summary"]).to_have_text("1 person")
    expect(opened["#canvas"]).to_have_attribute("data-people", "1")
    told = re.compile(r"astronaut\.jpg: 1 person\. Person 1: [3-9]\d %, 1\d joints\.")
    expect(opened["#canvas"]).to_have_attribute("aria-label", told)
    assert min(opened.colours().values()) > 100
    expect(opened["#timing"]).to_contain_text("On CPU")


def test_the_example_needs_no_picture(opened):
    opened["#sample"].click()

    expect(opened["#people .person"]).to_have_count(1)


def test_limits_act_at_once_without_asking_the_service(opened):
    opened.add_astronaut()
    joints = int(opened["#canvas"].get_attribute("data-joints"))

    opened.move("#person-score", "Home")
    expect(opened["#canvas"]).not_to_have_attribute("data-people", "1")
    doubtful = int(opened["#canvas"].get_attribute("data-people"))
    expect(opened["#people .person"]).to_have_count(doubtful)
    opened.move("#person-score", "End")
    expect(opened["#nobody"]).to_contain_text("below the limit")
    expect(opened["#strip .state"]).to_have_text("nobody")
    opened["#defaults"].click()
    opened.move("#joint-score", "Home")
    expect(opened["#canvas"]).to_have_attribute("data-joints", "17")

    assert joints < 17
    assert doubtful > 1
    assert len(opened.predictions) == 1


def test_sliders_begin_at_the_pipelines_defaults(opened, shipped):
    pipeline = shipped.client.get("/models").json()["pipelines"]["default"]

    assert float(opened["#person-score"].input_value()) == pipeline["min_person_score"]
    assert float(opened["#joint-score"].input_value()) == pipeline["drawn_keypoint_score"]


def test_downloads_are_what_the_service_answers_with_these_limits(opened, shipped):
    opened.add_astronaut()
    opened.move("#joint-score", *["ArrowRight"] * 20)
    query = {"min_person_score": 0.15, "min_keypoint_score": 0.5}
    answers = {
        name: shipped.client.post(
            "/predict",
            params=query | {"format": name},
            content=ASTRONAUT.read_bytes(),
            headers={"content-type": "image/jpeg"},
        ).json()
        for name in ("json", "coco")
    }

    saved = json.loads(download(opened, "#save-json", "astronaut.json"))
    (person,) = json.loads(download(opened, "#save-coco", "astronaut.coco.json"))

    assert saved["persons"] == answers["json"]["persons"]
    assert saved["model"] == answers["json"]["model"]
    assert person["keypoints"] == pytest.approx(answers["coco"][0]["keypoints"], abs=0.01)
    assert person["bbox"] == pytest.approx(answers["coco"][0]["bbox"], abs=0.01)
    assert set(person) == set(answers["coco"][0])


def test_the_png_has_all_pixels_of_the_picture_and_the_skeleton(opened):
    opened.add_astronaut()

    data = download(opened, "#save-png", "astronaut.pose.png")

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels.shape == (512, 512, 3)
    for colour in ((0, 158, 255), (255, 140, 0), (64, 220, 120)):
        assert (pixels == colour).all(axis=2).sum() > 100


def test_the_code_asks_exactly_this_question(opened, shipped, tmp_path):
    name = "it's an astronaut.jpg"
    picture = {"name": name, "mimeType": "image/jpeg", "buffer": ASTRONAUT.read_bytes()}
    opened.add(picture)
    expect(opened["#people .person"]).to_have_count(1)
    opened.move("#person-score", "ArrowRight")

    words = shlex.split(opened["#curl"].text_content().replace("\\\n", " "))
    assert words == [
        *("curl", "--data-binary", f"@{name}", "-H", "Content-Type: image/jpeg"),
        f"http://127.0.0.1:{shipped.port}/predict?min_person_score=0.16&min_keypoint_score=0.3",
    ]
    (tmp_path / name).write_bytes(ASTRONAUT.read_bytes())
    code = opened["#python"].text_content() + "\nassert len(answer.persons) == 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert "min_person_score=0.16" in code


@pytest.mark.parametrize("host", ["127.0.0.1", INSECURE_HOST])
def test_code_is_copied_with_and_without_the_browsers_clipboard(shipped, open_page, host):
    opened = open_page(shipped, host=host)
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.add_astronaut()

    opened['[data-copies="curl"]'].click()
    expect(opened['[data-copies="curl"]']).to_have_text("Copied")

    # Pasted into the one field for text: without https, a page cannot ask for the clipboard.
    opened["#key-form"].evaluate("(form) => { form.hidden = false; }")
    opened["#key"].press("Control+v")
    pasted = opened["#key"].input_value()
    assert pasted.replace("\\", "").split() == (
        opened["#curl"].text_content().replace("\\", "").split()
    )


def test_the_wheel_with_ctrl_zooms_where_the_pointer_is_and_dragging_moves(opened):
    opened.add_astronaut()
    place = opened["#canvas"].bounding_box()
    middle = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    opened.page.mouse.move(*middle)

    opened.page.mouse.wheel(0, -100)
    assert opened["#zoom-fit"].text_content() == "100 %"
    opened.page.evaluate("window.scrollTo(0, 0)")
    opened.page.keyboard.down("Control")
    opened.page.mouse.wheel(0, -100)
    opened.page.keyboard.up("Control")
    expect(opened["#zoom-fit"]).not_to_have_text("100 %")

    before = opened.colours()
    opened.page.mouse.down()
    opened.page.mouse.move(middle[0] + 150, middle[1] + 200)
    opened.page.mouse.up()
    assert opened.colours() != before
    # It was no click.
    expect(opened["#people table"]).to_have_count(0)


def test_pointing_names_the_person_and_a_click_chooses_them(opened):
    opened.add_astronaut()
    place = opened["#canvas"].bounding_box()
    # Her chest, and a place beside the box.
    chest = {"x": place["width"] / 2 - 20, "y": place["height"] * 0.8}
    beside = {"x": place["width"] - 60, "y": 20}

    opened["#canvas"].hover(position=chest)
    expect(opened["#canvas"]).to_have_attribute("data-pointed", "0")
    opened["#canvas"].click(position=chest)
    expect(opened["#people table tbody tr"]).to_have_count(17)
    opened["#canvas"].click(position=beside)
    expect(opened["#people table"]).to_have_count(0)


def test_keys_choose_people_zoom_and_let_go(opened, crowd):
    opened.add(crowd)
    expect(opened["#people .person"]).to_have_count(3)
    stage, chosen = opened["#stage"], opened['.person[aria-expanded="true"] strong']
    stage.focus()

    stage.press("ArrowRight")
    expect(chosen).to_have_text("Person 1")
    stage.press("ArrowRight")
    expect(chosen).to_have_text("Person 2")
    stage.press("ArrowLeft")
    expect(chosen).to_have_text("Person 1")
    expect(opened["#said"]).to_contain_text("Person 1")
    stage.press("+")
    stage.press("+")
    expect(opened["#zoom-fit"]).to_have_text("196 %")
    stage.press("Shift+ArrowRight")
    stage.press("-")
    expect(opened["#zoom-fit"]).to_have_text("140 %")
    stage.press("0")
    expect(opened["#zoom-fit"]).to_have_text("100 %")
    stage.press("Escape")
    expect(chosen).to_have_count(0)


def test_keys_go_through_the_list_and_keep_the_focus(opened, crowd):
    opened.add(crowd)
    expect(opened["#people .person"]).to_have_count(3)
    opened[".person >> nth=0"].focus()

    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("ArrowDown")

    expect(opened[".person:focus strong"]).to_have_text("Person 3")
    expect(opened['.person[aria-expanded="true"] strong']).to_have_text("Person 3")


def test_the_whole_page_is_reached_by_tab(opened):
    opened.add_astronaut()
    reached = set()
    opened["body"].evaluate("document.activeElement.blur()")
    for _ in range(30):
        opened.page.keyboard.press("Tab")
        reached.add(opened.page.evaluate("document.activeElement.id"))

    wanted = {"open-cards", "files", "camera", "example", "stage", "zoom-in", "person-score"}
    assert reached >= wanted | {"joint-score", "save-png", "save-json", "save-coco"}


def test_several_pictures_each_have_their_own_state(opened):
    coffee = file_of("coffee.png", skimage.data.coffee())
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": coffee["buffer"][:900]}
    opened.add(ASTRONAUT, coffee, broken)

    states = opened["#strip .state"]
    expect(states).to_have_text(["1 person", "nobody", "problem"])
    expect(opened["#summary"]).to_have_text("1 person")
    opened["#strip .choose >> nth=2"].click()
    expect(opened["#problem"]).to_contain_text("cannot be decoded")
    opened["#strip .choose >> nth=1"].click()
    expect(opened["#summary"]).to_have_text("Nobody")
    expect(opened["#problem"]).to_be_hidden()
    opened["#strip .remove >> nth=1"].click()
    expect(opened["#strip li"]).to_have_count(2)
    opened["#strip .choose >> nth=1"].press("Delete")
    opened["#strip .choose >> nth=0"].press("Delete")
    expect(opened["#welcome"]).to_be_visible()
    expect(opened["#work"]).to_be_hidden()


def test_removing_a_picture_gives_its_request_up(opened):
    opened.page.route("**/predict?*", lambda _route: None)
    opened.add(ASTRONAUT)
    expect(opened["#progress"]).to_have_text("Looking for people…")

    with opened.page.expect_event("requestfailed") as failed:
        opened["#strip .remove"].click()

    expect(opened["#welcome"]).to_be_visible()
    assert failed.value.failure == "net::ERR_ABORTED"


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_pictures_are_pasted_and_dropped(opened, event):
    opened.page.evaluate(
        """async (type) => {
          const picture = await (await fetch("web/example.jpg")).blob();
          const data = new DataTransfer();
          data.items.add(new File([picture], "given.jpg", { type: "image/jpeg" }));
          const event = type === "paste"
            ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
            : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
          document.body.dispatchEvent(event);
        }""",
        event,
    )

    expect(opened["#people .person"]).to_have_count(1)
    expect(opened["#about"]).to_contain_text("given.jpg")


def test_pictures_are_shown_upright(opened):
    # Red left and blue right, to be turned clockwise: red is above.
    pixels = np.zeros((200, 400, 3), np.uint8)
    pixels[:, :200, 0] = pixels[:, 200:, 2] = 255
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", exif=exif)
    opened.add({"name": "turned.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()})

    expect(opened["#about"]).to_contain_text("200 \N{MULTIPLICATION SIGN} 400")
    opened.drawn()
    above, below = opened["#canvas"].evaluate(
        """(canvas) => {
          const column = [canvas.width / 2, 0, 1, canvas.height];
          const { data } = canvas.getContext("2d").getImageData(...column);
          const rows = [0.2, 0.8].map((part) => 4 * Math.round(canvas.height * part));
          return rows.map((row) => [...data.slice(row, row + 4)]);
        }"""
    )
    assert above[0] > 200 > 50 > above[2]
    assert below[2] > 200 > 50 > below[0]


def test_models_are_shown_and_another_pipeline_can_be_chosen(open_page, tmp_path):
    for bundle in ("person-detector", "pose-mobilenetv2"):
        (tmp_path / bundle).symlink_to(ROOT / "models" / bundle)
    entry = 'detector = "person-detector/4"\nkeypoints = "pose-mobilenetv2/4"\n'
    (tmp_path / "pipelines.toml").write_text(
        f"[default]\n{entry}min_person_score = 0.2\n[strict]\n{entry}min_person_score = 0.5\n"
    )
    server = start_server(models_dir=tmp_path, also_load='["strict"]').wait_until_ready()
    try:
        opened = open_page(server)
        opened.add_astronaut()
        opened["#pipeline"].select_option("strict")
        expect(opened["#nobody"]).to_contain_text("below the limit")
        assert dict(parse_qsl(urlsplit(opened.predictions[-1].url).query))["pipeline"] == "strict"
        expect(opened["#curl"]).to_contain_text("pipeline=strict")
        opened["#open-cards"].click()
        expect(opened["#cards h3"]).to_have_text(["defaultdefault", "strictchosen"])
        expect(opened["#cards"]).to_contain_text("128 \N{MULTIPLICATION SIGN} 192 pixels")
        sizes = ("288x288", "320x256", "256x320")
        told = ", ".join(sizes).replace("x", " \N{MULTIPLICATION SIGN} ")
        expect(opened["#cards"]).to_contain_text(f"{told} pixels")
        opened.page.keyboard.press("Escape")
        expect(opened["#cards"]).to_be_hidden()
    finally:
        server.kill()


def download(opened: Opened, button: str, name: str) -> bytes:
    with opened.page.expect_download() as waited:
        opened[button].click()
    assert waited.value.suggested_filename == name
    return Path(waited.value.path()).read_bytes()
