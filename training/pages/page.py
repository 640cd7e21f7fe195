"""Fills a template; pictures and plots become part of the file."""

import base64
import io
from collections.abc import Mapping

import cv2
import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from service.inference.types import Pixels

_JPEG_QUALITY = 85


def render_page(template: str, values: Mapping[str, object]) -> str:
    """An HTML document from `templates/TEMPLATE`; text is escaped, a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def picture_tag(pixels: Pixels, description: str) -> Markup:
    """An `<img>` that holds the picture as JPEG.

    Args:
        pixels: uint8 RGB `[H, W, 3]`.
        description: for those who do not see it.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    source = base64.b64encode(data.tobytes()).decode()
    height, width = pixels.shape[:2]
    return Markup('<img alt="{}" width="{}" height="{}" src="data:image/jpeg;base64,{}">').format(
        description, width, height, source
    )


def plot_tag(figure: Figure, description: str) -> Markup:
    """A plot as inline SVG, with its description; the same figure gives the same bytes."""
    file = io.StringIO()
    # Without a date, and with a salt that makes the identifiers of the SVG's parts repeatable.
    with matplotlib.rc_context({"svg.hashsalt": "stance"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    return Markup('<figure role="img" aria-label="{}">{}</figure>').format(description, Markup(svg))
