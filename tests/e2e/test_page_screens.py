"""The page on small screens, in the dark, and for those who do not see it."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
AA = 4.5
"""The least contrast of text (WCAG 2.2, 1.4.3)."""
CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const curve = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const linear = (value) => curve(value / 255);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = {};
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim(), element = texts.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    // What lies over the picture has its own half-transparent ground.
    if (element.closest("#stage, #sample, noscript")) continue;
    const both = [parse(getComputedStyle(element).color), ground(element)].map(luminance);
    found[text] = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  }
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, canvas, [role=group]")]
  .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
  .filter((one) => !one.textContent.trim() && !one.ariaLabel && !one.labels?.length && !one.title)
  .map((one) => one.outerHTML)"""


def widths(opened) -> tuple[int, int]:
    return tuple(opened.page.evaluate("[document.documentElement.scrollWidth, innerWidth]"))


def test_nothing_is_wider_than_a_phone(shipped, open_page):
    opened = open_page(shipped, **PHONE)
    assert widths(opened) == (360, 360)

    opened.add_astronaut()
    opened[".person"].tap()
    expect(opened["#people table"]).to_be_visible()
    assert widths(opened) == (360, 360)
    opened["#open-cards"].tap()
    expect(opened["#cards"]).to_be_visible()

    assert widths(opened) == (360, 360)
    assert opened["#cards"].evaluate("(one) => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(shipped, open_page, scheme):
    opened = open_page(shipped, color_scheme=scheme)
    contrasts = opened.page.evaluate(CONTRASTS)
    opened.add_astronaut()
    opened[".person"].click()
    contrasts |= opened.page.evaluate(CONTRASTS)
    opened.add({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
    expect(opened["#problem"]).to_be_visible()
    contrasts |= opened.page.evaluate(CONTRASTS)

    assert len(contrasts) > 50
    assert {text: one for text, one in contrasts.items() if one < AA} == {}


def test_everything_that_can_be_used_has_a_name(opened):
    nameless = opened.page.evaluate(NAMELESS)
    opened.add_astronaut()

    assert nameless + opened.page.evaluate(NAMELESS) == []


def test_results_are_announced(opened):
    expect(opened["#said"]).to_have_attribute("aria-live", "polite")

    opened.add_astronaut()

    expect(opened["#said"]).to_have_text("astronaut.jpg: 1 person")
    opened["#person-score"].press("End")
    expect(opened["#said"]).to_have_text("nobody")
    expect(opened["#person-score"]).to_have_attribute("aria-valuetext", "100 %")


def test_who_wants_no_motion_gets_none(shipped, open_page):
    opened = open_page(shipped, reduced_motion="reduce")
    opened.page.route("**/predict?*", lambda _route: None)
    opened["#example"].click()
    expect(opened["#progress"]).to_be_visible()

    name = opened.page.evaluate(
        "getComputedStyle(document.querySelector('#progress'), '::before').animationName"
    )

    assert name == "none"
