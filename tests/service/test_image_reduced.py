import io

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image as Pillow

from service.inference.errors import ImageTooLarge, InvalidImage
from service.inference.geometry import compose_affines, crop_affine, invert_affine, warp
from service.inference.image import ImageLimits, decode_image, decode_reduced
from service.inference.types import Box, Size

LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=20_000_000)


def photo(media_type="JPEG", mode=None, orientation=None, blur=0.1, **options):
    """The astronaut, 509x491: neither side can be divided by two."""
    if orientation:
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    pixels = cv2.GaussianBlur(skimage.data.astronaut()[:491, :509], (0, 0), blur)
    picture = Pillow.fromarray(pixels)
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, media_type, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("scale", "factor"), [(1.5, 1), (0.6, 1), (0.5, 2), (0.26, 2), (0.25, 4), (0.2, 4), (0.01, 8)]
)
def test_a_jpeg_is_decoded_as_finely_as_needed(scale, factor):
    reduced = decode_reduced(photo(), LIMITS, scale)
    assert reduced.pixels.shape == (-(-491 // factor), -(-509 // factor), 3)
    assert reduced.size == Size(height=491, width=509)
    np.testing.assert_array_equal(reduced.to_picture, [[factor, 0, 0], [0, factor, 0]])


@pytest.mark.parametrize("media_type", ["PNG", "WEBP", "BMP"])
def test_other_formats_give_all_their_pixels(media_type):
    data = photo(media_type=media_type)
    reduced = decode_reduced(data, LIMITS, 0.1)
    np.testing.assert_array_equal(reduced.pixels, decode_image(data, LIMITS).pixels)
    np.testing.assert_array_equal(reduced.to_picture, np.eye(2, 3))


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4, 5, 6, 7, 8])
def test_a_crop_of_the_reduced_picture_is_the_crop_of_the_whole_one(orientation, factor):
    # So smooth that a crop does not depend on how it is sampled, only on where.
    data = photo(orientation=orientation, blur=1.5 * factor)
    whole = decode_image(data, LIMITS)
    reduced = decode_reduced(data, LIMITS, 1 / factor)
    assert reduced.size == whole.size
    size = Size(height=400 // factor, width=400 // factor)
    affine = crop_affine(Box(50, 40, 450, 440), size, 1.0)
    wanted = warp(whole.pixels, affine, size).astype(float)

    def difference(x, y):
        shifted = compose_affines(affine + np.array([[0, 0, x], [0, 0, y]]), reduced.to_picture)
        return np.abs(warp(reduced.pixels, shifted, size) - wanted).mean()

    # In pixels of the crop.
    moved = [difference(x, y) for x, y in ((0.2, 0), (-0.2, 0), (0, 0.2), (0, -0.2))]
    assert difference(0, 0) < 0.7 * min(moved)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_become_rgb(mode):
    data = photo(mode=mode)
    whole = decode_image(data, LIMITS).pixels
    reduced = decode_reduced(data, LIMITS, 0.25).pixels
    assert reduced.shape[2] == 3
    small = cv2.resize(whole[:488, :508], (127, 122), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced[:122, :127].astype(float) - small).mean() < 3


def test_progressive_jpeg_is_reduced_too():
    assert decode_reduced(photo(progressive=True), LIMITS, 0.25).pixels.shape == (123, 128, 3)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_file_is_invalid(kept):
    data = photo()
    with pytest.raises(InvalidImage, match="truncated"):
        decode_reduced(data[: int(len(data) * kept)], LIMITS, 0.25)


def test_limits_hold_for_the_whole_picture():
    with pytest.raises(ImageTooLarge, match="509 x 491"):
        decode_reduced(photo(), ImageLimits(max_bytes=10**7, max_pixels=509 * 490), 0.1)
    with pytest.raises(ImageTooLarge, match="bytes"):
        decode_reduced(photo(), ImageLimits(max_bytes=100, max_pixels=10**7), 0.1)


def test_maps_are_applied_from_the_inside_out():
    inner = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0]])
    outer = np.array([[0.0, -1.0, 5.0], [1.0, 0.0, 2.0]])
    np.testing.assert_allclose(compose_affines(outer, inner), [[0.0, -3.0, 6.0], [2.0, 0.0, 3.0]])
    np.testing.assert_allclose(
        compose_affines(invert_affine(inner), inner), np.eye(2, 3), atol=1e-12
    )
