"""Pictures decoded at a fraction of their size give the people of the whole ones."""

import io

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image as Pillow

from service.inference.errors import ImageTooLarge, InvalidImage
from service.inference.execution import Execution
from service.inference.image import ImageLimits, decode_image
from service.inference.repository import load_pipeline
from service.inference.types import Box, Size
from service.runtime import prediction
from service.runtime.prediction import Picture, pose

LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=20_000_000)
LARGE, SMALL = (12, 8, 52, 56), (44, 20, 50, 28)
"""Boxes in pixels of the detector's 64x64 input."""


def centroid_nodes():
    """A network that puts all joints on the centre of gravity of what is bright."""
    node = helper.make_node
    return [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("ReduceMin", ["float", "last"], ["grey"], keepdims=0),
        node("Div", ["grey", "white"], ["light"]),
        node("Pow", ["light", "four"], ["bright"]),
        node("Mul", ["bright", "columns"], ["x_moments"]),
        node("Mul", ["bright", "lines"], ["y_moments"]),
        node("ReduceSum", ["x_moments", "plane"], ["x_sum"], keepdims=0),
        node("ReduceSum", ["y_moments", "plane"], ["y_sum"], keepdims=0),
        node("ReduceSum", ["bright", "plane"], ["empty_or_mass"], keepdims=0),
        node("Add", ["empty_or_mass", "little"], ["mass"]),
        node("Div", ["x_sum", "mass"], ["x"]),
        node("Div", ["y_sum", "mass"], ["y"]),
        node("ReduceMax", ["light", "plane"], ["score"], keepdims=0),
        *(node("Unsqueeze", [name, "one"], [f"{name}_row"]) for name in ("x", "y", "score")),
        node("Concat", ["x_row", "y_row", "score_row"], ["point"], axis=1),
        node("Unsqueeze", ["point", "one"], ["points"]),
        node("Tile", ["points", "repeat"], ["keypoints"]),
    ]


def centroid_model(bundles, card):
    width, height, count = card.input.width, card.input.height, len(card.skeleton.names)
    constants = {
        "last": np.array([3], np.int64),
        "plane": np.array([1, 2], np.int64),
        "one": np.array([1], np.int64),
        "white": np.array(255, np.float32),
        "four": np.array(4, np.float32),
        "little": np.array(1e-6, np.float32),
        "columns": np.arange(width, dtype=np.float32).reshape(1, 1, -1) + 0.5,
        "lines": np.arange(height, dtype=np.float32).reshape(1, -1, 1) + 0.5,
        "repeat": np.array([1, count, 1], np.int64),
    }
    outputs = {"keypoints": ["N", count, 3]}
    return bundles.model(card.input, centroid_nodes(), constants, outputs)


@pytest.fixture
def make_estimator(bundles, tmp_path):
    """Makes a pipeline whose detector answers fixed rows x0, y0, x1, y1, score."""

    def make(*rows):
        detector, keypoints = bundles.detector_card(), bundles.keypoints_card()
        bundles.write(tmp_path, detector, bundles.detector_model(detector, rows))
        bundles.write(tmp_path, keypoints, centroid_model(bundles, keypoints))
        (tmp_path / "pipelines.toml").write_text(bundles.pipelines)
        return load_pipeline(tmp_path, "default", Execution(device="cpu"))

    return make


@pytest.fixture
def scales(monkeypatch) -> list[float]:
    """The scales at which pictures are decoded from now on."""
    seen = []

    def decode(data, limits, scale):
        image = decode_reduced(data, limits, scale)
        seen.append(image.scale)
        return image

    decode_reduced = prediction.decode_reduced
    monkeypatch.setattr(prediction, "decode_reduced", decode)
    return seen


def photo(width, height, spot=None, orientation=None, media_type="JPEG"):
    """A black picture, with a soft spot around a point x, y."""
    y, x = np.mgrid[:height, :width] + 0.5
    sigma = min(width, height) / 24
    far = np.inf if spot is None else (x - spot[0]) ** 2 + (y - spot[1]) ** 2
    light = np.exp(-far / (2 * sigma**2)) * np.ones((height, width))
    grey = (255 * light).astype(np.uint8)
    options = {}
    if orientation:
        options["exif"] = Pillow.Exif()
        options["exif"][0x0112] = orientation
    file = io.BytesIO()
    Pillow.fromarray(cv2.merge([grey] * 3)).save(file, media_type, **options)
    return file.getvalue()


def places(persons):
    return np.array([[(joint.x, joint.y) for joint in person.keypoints] for person in persons])


def assert_as_from_all_pixels(estimator, picture, posed):
    whole = decode_image(picture.data, LIMITS)
    wanted = estimator.predict(whole, boxes=picture.boxes).persons
    found = posed.prediction.persons
    assert posed.image.size == whole.size
    assert [person.box for person in found] == [person.box for person in wanted]
    assert np.abs(places(found) - places(wanted)).max() < 1


@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
@pytest.mark.parametrize(("width", "height"), [(1707, 1281), (301, 1003), (506, 701)])
def test_reduced_jpeg_gives_the_people_of_the_whole_one(
    make_estimator, scales, width, height, orientation
):
    estimator = make_estimator((*LARGE, 0.9))
    picture = Picture(photo(width, height, (0.45 * width, 0.4 * height), orientation))

    posed = pose(estimator, picture, LIMITS)

    assert scales == [{1707: 1 / 8, 301: 1 / 4, 506: 1 / 2}[width]]
    assert len(posed.prediction.persons) == 1
    assert_as_from_all_pixels(estimator, picture, posed)


def test_joints_are_where_they_are(make_estimator):
    posed = pose(make_estimator((*LARGE, 0.9)), Picture(photo(1600, 1200, (700, 500))), LIMITS)

    np.testing.assert_allclose(places(posed.prediction.persons)[0], [(700, 500)] * 17, atol=1)


def test_small_person_is_looked_at_in_finer_pixels(make_estimator, scales):
    # Of 2560 x 1920: x 1760 to 2000, y 480 to 800.
    estimator = make_estimator((*SMALL, 0.8))
    picture = Picture(photo(2560, 1920, (1890, 650)))

    posed = pose(estimator, picture, LIMITS)

    assert scales == [1 / 8, 1 / 4]
    assert posed.decode_s > posed.prediction.decode_s > 0
    assert len(posed.prediction.persons) == 1
    assert_as_from_all_pixels(estimator, picture, posed)


def test_tiny_person_is_looked_at_in_all_pixels(make_estimator, scales):
    estimator = make_estimator((44, 20, 46, 23, 0.9))
    picture = Picture(photo(1280, 960, (900, 260)))

    posed = pose(estimator, picture, LIMITS)

    assert scales == [1 / 4, 1]
    assert_as_from_all_pixels(estimator, picture, posed)


def test_doubtful_box_that_is_not_answered_is_not_worth_finer_pixels(make_estimator, scales):
    # The threshold is 0.2, and nothing is in the small box.
    estimator = make_estimator((*LARGE, 0.9), (*SMALL, 0.25))

    pose(estimator, Picture(photo(2560, 1920, (900, 1000))), LIMITS)

    assert scales == [1 / 8]


def test_doubtful_box_that_is_answered_is_looked_at_again(make_estimator, scales):
    estimator = make_estimator((*SMALL, 0.25))
    picture = Picture(photo(2560, 1920, (1890, 650)))

    posed = pose(estimator, picture, LIMITS)

    assert scales == [1 / 8, 1 / 4]
    assert len(posed.prediction.persons) == 1
    assert_as_from_all_pixels(estimator, picture, posed)


def test_given_boxes_need_one_decoding(make_estimator, scales):
    estimator = make_estimator()
    picture = Picture(
        photo(2560, 1920, (1890, 650)),
        boxes=(Box(300, 200, 1500, 1800), Box(1760, 480, 2000, 800)),
    )

    posed = pose(estimator, picture, LIMITS)

    assert scales == [1 / 4]
    assert len(posed.prediction.persons) == 2
    assert_as_from_all_pixels(estimator, picture, posed)


def test_given_box_of_which_little_is_inside_is_looked_at_in_finer_pixels(make_estimator, scales):
    estimator = make_estimator()
    picture = Picture(photo(2560, 1920, (2450, 1000)), boxes=(Box(2400, 900, 6400, 1100),))

    posed = pose(estimator, picture, LIMITS)

    assert scales == [1 / 8, 1 / 4]
    assert_as_from_all_pixels(estimator, picture, posed)


@pytest.mark.parametrize(
    "picture",
    [
        Picture(photo(1280, 960, (600, 500)), drawn=True),
        Picture(photo(1280, 960, (600, 500), media_type="PNG")),
        # Hardly more than the detector needs.
        Picture(photo(200, 150, (90, 80))),
    ],
    ids=["to be drawn into", "no JPEG", "small"],
)
def test_all_pixels_are_decoded_once(make_estimator, scales, picture):
    posed = pose(make_estimator((*LARGE, 0.9), (*SMALL, 0.9)), picture, LIMITS)

    assert scales == [1]
    assert posed.image.reduction is None
    assert len(posed.prediction.persons) == 1


def test_nobody_there_needs_no_finer_pixels(make_estimator, scales):
    black = cv2.imencode(".jpg", np.zeros((960, 1280, 3), np.uint8))[1].tobytes()

    posed = pose(make_estimator((*LARGE, 0.9), (*SMALL, 0.9)), Picture(black), LIMITS)

    assert posed.prediction.persons == ()
    assert posed.image.size == Size(height=960, width=1280)
    assert scales == [1 / 4]


def test_limits_hold_for_the_whole_picture_and_before_it_is_decoded(make_estimator, scales):
    estimator, picture = make_estimator(), Picture(photo(1280, 960))

    with pytest.raises(ImageTooLarge, match="1280 x 960"):
        pose(estimator, picture, ImageLimits(max_bytes=10**7, max_pixels=1280 * 960 - 1))
    with pytest.raises(ImageTooLarge, match="bytes"):
        pose(estimator, picture, ImageLimits(max_bytes=100, max_pixels=10**7))

    assert scales == []


@pytest.mark.parametrize("kept", [0.02, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize(("width", "height"), [(1280, 960), (600, 450), (300, 225)])
def test_truncated_file_is_invalid_at_every_scale(make_estimator, width, height, kept):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()

    with pytest.raises(InvalidImage, match="truncated"):
        pose(make_estimator((*LARGE, 0.9)), Picture(data[: int(kept * len(data))]), LIMITS)
