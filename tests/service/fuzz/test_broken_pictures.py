"""Broken, odd and expensive picture files: each is answered, and so is the next request."""

import io
import json
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image as Pillow

from service.inference import image
from service.inference.image import ImageLimits, decode_image
from tests.service.fuzz import bmp_files, jpeg_files, other_files, png_files, webp_files
from tests.service.fuzz.conftest import Caller, assert_serves, assert_told

MODULES = (jpeg_files, png_files, webp_files, bmp_files, other_files)
CASES = [
    pytest.param(data, status, id=f"{module.__name__.rpartition('.')[2]}: {name}")
    for module in MODULES
    for name, data, status in module.cases()
]
WORDS = {400: "empty", 413: "max_pixels", 415: "expected a JPEG, PNG, WebP or BMP", 422: "expected"}
LIMIT_S = 5
"""Without the limits on scans, chunks and inflated bytes some of these take minutes."""
PARTS = 24


def test_the_corpus_is_large_and_each_file_another() -> None:
    files = [case.values[0] for case in CASES]
    assert len(files) >= 180
    assert len(set(files)) == len(files)


@pytest.mark.parametrize(("data", "status"), CASES)
def test_picture_is_answered_and_so_is_the_next(
    caller: Caller, picture: bytes, data: bytes, status: int
) -> None:
    started = time.perf_counter()
    answer = caller.post(data)
    assert time.perf_counter() - started < LIMIT_S

    assert answer.status == status, answer.body[:300]
    assert_told(answer)
    if status == 200:
        # Nothing was drawn from memory that holds no picture: sizes are those of the header.
        size = json.loads(answer.body)["image"]
        assert size["width"] * size["height"] <= 4_000_000
    else:
        assert WORDS[status] in answer.problem["detail"]
    assert_serves(caller, picture)


@pytest.mark.parametrize(
    "data", [case.values[0] for case in CASES if case.values[1] == 413], ids=lambda data: len(data)
)
def test_too_large_picture_is_refused_before_anything_is_decoded(
    caller: Caller, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_arguments: object, **_options: object) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)
    monkeypatch.setattr(cv2, "imdecodeWithMetadata", decode)

    assert caller.post(data).status == 413


def photo(media_type: str) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(skimage.data.astronaut()[::8, ::8])).save(
        file, media_type
    )
    return file.getvalue()


def ends(media_type: str) -> Iterator[bytes]:
    data = photo(media_type)
    yield from (data[: len(data) * part // PARTS] for part in range(1, PARTS))
    yield from (data[:-missing] for missing in range(1, 9))


@pytest.mark.parametrize("media_type", ["JPEG", "PNG", "WEBP", "BMP"])
def test_truncated_picture_is_refused_wherever_it_ends(
    caller: Caller, picture: bytes, media_type: str
) -> None:
    for data in ends(media_type):
        answer = caller.post(data)
        assert answer.status == 422, len(data)
        assert_told(answer)
    assert_serves(caller, picture)


def test_extras_of_a_png_do_not_change_its_pixels() -> None:
    limits = ImageLimits(max_bytes=2**20, max_pixels=2**20)
    described = (b"gAMA", b"\0\0\1\0"), (b"sRGB", b"\0"), (b"sBIT", b"\5\5\5"), (b"bKGD", bytes(6))
    extras = [png_files.chunk(name, content) for name, content in described]

    plain = decode_image(png_files.with_chunks(), limits).pixels
    more = decode_image(png_files.with_chunks(*extras), limits).pixels

    np.testing.assert_array_equal(plain, more)


@pytest.mark.parametrize("decode", [decode_image, lambda *given: image.decode_reduced(*given, 0.1)])
def test_scans_of_a_jpeg_are_limited_in_every_decoder(decode: Callable[..., object]) -> None:
    limits = ImageLimits(max_bytes=2**20, max_pixels=2**20)

    decode(jpeg_files.scans(100, 256), limits)
    with pytest.raises(image.InvalidImage, match="101 scans; expected at most 100"):
        decode(jpeg_files.scans(101, 256), limits)
