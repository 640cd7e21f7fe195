from pathlib import Path

import cv2
import numpy as np
import pytest

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from service.inference.types import Box
from training.codecs.config import CenterNetCodec, HeatmapCodec
from training.config import AugmentConfig, TrainConfig
from training.data.coco import PictureRecord
from training.data.detection import DetectionSamples
from training.recipes.person_detector import person_detector, person_detector_debug

QUIET = AugmentConfig(
    scale=0, shift=0, flip_probability=0, colour=0, mosaic_probability=0
)  # fmt: skip
WHITE = Box(30, 20, 70, 60)


@pytest.fixture
def config() -> TrainConfig:
    return person_detector().model_copy(
        update={"input": InputSize(height=128, width=128), "codec": CenterNetCodec(stride=8)}
    )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A black picture of 128x96 with one white square, `WHITE`."""
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[20:60, 30:70] = 255
    path = tmp_path / "square.png"
    cv2.imwrite(str(path), pixels)
    return path


def _record(picture: Path, *boxes: Box, crowds: tuple[Box, ...] = ()) -> PictureRecord:
    return PictureRecord(picture=picture, boxes=boxes, crowds=crowds)


def _boxes(target: np.ndarray) -> list[list[float]]:
    """Boxes of the target, from left to right."""
    boxes = []
    for row, column in np.argwhere(target[..., 0] == 1):
        x, y = (column + 0.5) * 8, (row + 0.5) * 8
        left, top, right, bottom = target[row, column, 1:5].tolist()
        boxes.append([x - left, y - top, x + right, y + bottom])
    return sorted(boxes)


def _white(pixels: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_without_augmentation_the_picture_is_letterboxed(
    picture: Path, config: TrainConfig
) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    pixels, target = samples.sample(0, np.random.default_rng(0), None)
    assert pixels.shape == (128, 128, 3)
    assert pixels.dtype == np.uint8
    assert target.shape == (16, 16, 6)
    assert target.dtype == np.float32
    np.testing.assert_allclose(_boxes(target), [[30, 36, 70, 76]], atol=1e-4)
    assert _white(pixels) == [30, 36, 70, 76]


def test_boxes_follow_the_pixels_through_every_random_cut(
    picture: Path, config: TrainConfig
) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    augment = QUIET.model_copy(update={"scale": 0.7, "shift": 0.1, "flip_probability": 0.5})
    compared = 0
    for seed in range(40):
        pixels, target = samples.sample(0, np.random.default_rng(seed), augment)
        for box in _boxes(target):
            np.testing.assert_allclose(box, _white(pixels), atol=1.5)
            compared += 1
    assert compared > 20


def test_boxes_follow_the_pixels_of_a_large_photograph(picture: Path, config: TrainConfig) -> None:
    """Its JPEG is decoded at a quarter or half of its size, whose sides are odd."""
    path = picture.with_suffix(".jpg")
    large = cv2.resize(cv2.imread(str(picture)), None, fx=8, fy=8)[:765, :1021]
    cv2.imwrite(str(path), large)
    box = Box(*(8 * side for side in (WHITE.x0, WHITE.y0, WHITE.x1, WHITE.y1)))
    samples = DetectionSamples([_record(path, box)], config)
    augment = QUIET.model_copy(update={"scale": 0.7, "shift": 0.1, "flip_probability": 0.5})
    compared = 0
    for seed in range(20):
        pixels, target = samples.sample(0, np.random.default_rng(seed), augment)
        for box_there in _boxes(target):
            np.testing.assert_allclose(box_there, _white(pixels), atol=1.5)
            compared += 1
    assert compared > 10


def test_a_flip_mirrors_the_whole_input(picture: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    flip = QUIET.model_copy(update={"flip_probability": 1.0})
    plain, _ = samples.sample(0, np.random.default_rng(5), QUIET)
    flipped, target = samples.sample(0, np.random.default_rng(5), flip)
    np.testing.assert_array_equal(flipped, plain[:, ::-1])
    np.testing.assert_allclose(_boxes(target)[0][::2], [58, 98], atol=1e-4)


def test_sizes_vary_both_ways(picture: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    augment = QUIET.model_copy(update={"scale": 0.7})
    targets = [samples.sample(0, np.random.default_rng(i), augment)[1] for i in range(30)]
    widths = [box[2] - box[0] for target in targets for box in _boxes(target)]
    assert 40 / 1.71 < min(widths) < 30
    assert 55 < max(widths) < 40 * 1.71


def test_the_same_seed_gives_the_same_sample(picture: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    first, second = (samples.sample(0, np.random.default_rng(3), config.augment) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_people_mostly_outside_are_ignored(picture: Path, config: TrainConfig) -> None:
    outside, inside = Box(-80, 0, 20, 60), Box(50, 0, 150, 60)
    samples = DetectionSamples([_record(picture, outside, inside)], config)
    _, target = samples.sample(0, np.random.default_rng(0), None)
    np.testing.assert_allclose(_boxes(target), [[50, 16, 128, 76]], atol=1e-4)
    assert target[5, 1, 0] == -1


def test_crowds_are_neither_people_nor_background(picture: Path, config: TrainConfig) -> None:
    record = _record(picture, WHITE, crowds=(Box(88, 0, 128, 40),))
    _, target = DetectionSamples([record], config).sample(0, np.random.default_rng(0), None)
    assert len(_boxes(target)) == 1
    rows, columns = np.nonzero(target[..., 0] == -1)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (11, 15, 2, 6)


def test_a_mosaic_holds_people_of_several_pictures(picture: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    mosaic = QUIET.model_copy(update={"mosaic_probability": 1.0})
    most = 0
    for seed in range(8):
        pixels, target = samples.sample(0, np.random.default_rng(seed), mosaic)
        assert pixels.shape == (128, 128, 3)
        for x0, y0, x1, y1 in _boxes(target):
            inner = pixels[round(y0) + 2 : round(y1) - 2, round(x0) + 2 : round(x1) - 2]
            assert inner.size > 0
            assert inner.min() > 250
        most = max(most, len(_boxes(target)))
    assert most == 4


def test_a_picture_without_people_is_background(picture: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(picture)], config)
    for augment in (None, config.augment):
        _, target = samples.sample(0, np.random.default_rng(0), augment)
        assert not target.any()


def test_colours_change_only_with_augmentation(picture: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(picture, WHITE)], config)
    plain, target = samples.sample(0, np.random.default_rng(1), QUIET)
    augment = QUIET.model_copy(update={"colour": 1.0})
    coloured, same = samples.sample(0, np.random.default_rng(1), augment)
    assert (plain != coloured).any()
    np.testing.assert_array_equal(target, same)


def test_a_missing_picture_is_named(tmp_path: Path, config: TrainConfig) -> None:
    samples = DetectionSamples([_record(tmp_path / "nothing.jpg")], config)
    with pytest.raises(InvalidData, match=r"nothing\.jpg"):
        samples.sample(0, np.random.default_rng(0), None)


def test_a_codec_for_joints_is_refused(config: TrainConfig) -> None:
    with pytest.raises(TypeError, match="heatmap"):
        DetectionSamples([], config.model_copy(update={"codec": HeatmapCodec()}))


@pytest.mark.parametrize("recipe", [person_detector, person_detector_debug])
def test_the_recipes_are_valid(recipe) -> None:
    config = recipe()
    assert TrainConfig.model_validate(config.model_dump()) == config
