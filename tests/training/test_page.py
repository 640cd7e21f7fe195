import base64
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure

from training.pages.page import picture_tag, plot_tag, render_page


def _attributes(tag: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    parser = HTMLParser()
    parser.handle_starttag = lambda _, attributes: found.update(attributes)
    parser.feed(tag)
    return found


def _plot() -> Figure:
    figure = Figure()
    figure.add_subplot().plot([1, 2, 3])
    return figure


def test_text_is_escaped() -> None:
    page = render_page("base.html", {"title": "<script>alert(1)</script>"})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_value_that_the_template_needs_cannot_be_forgotten() -> None:
    with pytest.raises(UndefinedError, match="title"):
        render_page("base.html", {})


def test_a_picture_is_part_of_the_page() -> None:
    pixels = np.full((20, 30, 3), (200, 10, 10), np.uint8)
    tag = _attributes(str(picture_tag(pixels, 'a "red" wall')))
    assert tag["alt"] == 'a "red" wall'
    kind, _, data = str(tag["src"]).partition(",")
    assert kind == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded.shape == (20, 30, 3)
    assert np.abs(decoded.astype(int) - pixels).max() < 10


def test_the_same_plot_gives_the_same_bytes() -> None:
    assert plot_tag(_plot(), "curve") == plot_tag(_plot(), "curve")
    assert "<svg" in plot_tag(_plot(), "curve")
