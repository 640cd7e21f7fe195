"""Large JPEGs, which are not decoded to their full size, over HTTP."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

pytestmark = pytest.mark.anyio

JPEG = {"content-type": "image/jpeg"}
WIDTH, HEIGHT = 1024, 768


@pytest.fixture
def large() -> bytes:
    """A photograph lying on its side: black with a soft spot at (450, 300) of what is stored."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    grey = (255 * np.exp(-((x - 450) ** 2 + (y - 300) ** 2) / 1800)).astype(np.uint8)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Pillow.fromarray(np.stack([grey] * 3, axis=2)).save(file, "JPEG", exif=exif)
    return file.getvalue()


async def test_people_are_in_pixels_of_the_whole_upright_picture(client, large):
    body = (await client.post("/predict", content=large, headers=JPEG)).json()

    assert body["image"] == {"width": HEIGHT, "height": WIDTH}
    nose = body["persons"][0]["keypoints"][0]
    assert abs(nose["x"] - (HEIGHT - 300)) < 20
    assert abs(nose["y"] - 450) < 20


async def test_drawing_has_all_pixels(client, large):
    answer = await client.post("/predict?format=image", content=large, headers=JPEG)

    drawn = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (WIDTH, HEIGHT, 3)
    # The picture is grey: colours come from the drawing.
    assert np.ptp(drawn, axis=2).max() > 50
