from pathlib import Path

import cv2
import numpy as np
import pytest

from service.inference.card import InputSize
from service.inference.errors import InvalidData
from service.inference.types import Box
from training.config import AugmentConfig, TrainConfig
from training.data.coco import PersonRecord
from training.data.keypoints import KeypointSamples
from training.recipes import recipe
from training.skeletons import COCO

QUIET = AugmentConfig(
    scale=0, rotation_probability=0, shift=0, flip_probability=0, half_body_probability=0,
    occlusion_probability=0, colour=0,
)  # fmt: skip


@pytest.fixture
def config() -> TrainConfig:
    return recipe("mobilenetv2-heatmap").model_copy(
        update={"input": InputSize(height=128, width=96), "backbone_weights": "none"}
    )


@pytest.fixture
def record(tmp_path: Path) -> PersonRecord:
    """A dark picture with a bright dot on every joint; left joints are red, the others green."""
    rng = np.random.default_rng(3)
    pixels = np.zeros((240, 320, 3), np.uint8)
    joints = np.column_stack([rng.integers(90, 150, 17), rng.integers(30, 210, 17), [2] * 17])
    for name, (x, y, _) in zip(COCO.names, joints, strict=True):
        colour = (0, 0, 255) if name.startswith("left") else (0, 255, 0)
        cv2.rectangle(pixels, (x - 2, y - 2), (x + 1, y + 1), colour, -1)
    path = tmp_path / "dots.png"
    cv2.imwrite(str(path), pixels)
    return PersonRecord(path, Box(80, 20, 160, 220), joints.astype(np.float32))


def _sampled(
    record: PersonRecord, config: TrainConfig, augment: AugmentConfig | None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    samples = KeypointSamples([record], config, COCO)
    crop, target = samples.sample(0, np.random.default_rng(seed), augment)
    return crop, target


def _colour_at(crop: np.ndarray, target: np.ndarray, joint: str) -> str:
    x, y = target[COCO.names.index(joint), :2].astype(int)
    window = crop[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 3).mean(axis=0)
    return "red" if window[0] > window[1] else "green"


@pytest.mark.parametrize(
    "augment",
    [None, QUIET, QUIET.model_copy(update={"rotation_deg": 40.0, "rotation_probability": 1.0}),
     QUIET.model_copy(update={"scale": 0.3}), QUIET.model_copy(update={"shift": 0.1}),
     QUIET.model_copy(update={"flip_probability": 1.0})],
)  # fmt: skip
def test_joints_land_on_their_dots(
    record: PersonRecord, config: TrainConfig, augment: AugmentConfig | None
) -> None:
    crop, target = _sampled(record, config, augment)
    inside = [
        (x, y)
        for x, y, _ in target
        if 2 < x < config.input.width - 2 and 2 < y < config.input.height - 2
    ]
    assert len(inside) > 8
    for x, y in inside:
        assert crop[int(y), int(x)].max() > 90


def test_a_mirrored_person_keeps_left_and_right(record: PersonRecord, config: TrainConfig) -> None:
    crop, target = _sampled(record, config, QUIET.model_copy(update={"flip_probability": 1.0}))
    # The dot of the person's right hand is green; mirrored it becomes the left hand.
    assert _colour_at(crop, target, "left_wrist") == "green"
    assert _colour_at(crop, target, "right_wrist") == "red"


def test_half_body_shows_half_of_the_joints(record: PersonRecord, config: TrainConfig) -> None:
    half = QUIET.model_copy(update={"half_body_probability": 1.0})
    _, whole = _sampled(record, config, QUIET)
    _, part = _sampled(record, config, half)
    height = np.ptp(whole[:, 1])
    assert np.ptp(part[:, 1]) > 1.3 * height


def test_the_same_randomness_gives_the_same_sample(
    record: PersonRecord, config: TrainConfig
) -> None:
    first, second = (_sampled(record, config, AugmentConfig(), seed=5) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    other, _ = _sampled(record, config, AugmentConfig(), seed=6)
    assert (other != first[0]).any()


def test_a_missing_picture_is_named(record: PersonRecord, config: TrainConfig) -> None:
    gone = PersonRecord(record.picture.with_name("gone.png"), record.box, record.joints)
    with pytest.raises(InvalidData, match=r"gone\.png"):
        _sampled(gone, config, None)


def test_joints_of_a_large_photograph_land_on_their_dots(
    record: PersonRecord, config: TrainConfig
) -> None:
    """Its JPEG is decoded at a fraction, and turned by EXIF: the crop is in the same place."""
    large = cv2.resize(cv2.imread(str(record.picture)), None, fx=9, fy=9)[:, :2875]
    # A camera held sideways: orientation 6 is undone by a quarter turn clockwise.
    raw = np.ascontiguousarray(np.rot90(large))
    jpeg = cv2.imencode(".jpg", raw, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path = record.picture.with_suffix(".jpg")
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    box = record.box
    times_nine = Box(9 * box.x0, 9 * box.y0, 9 * box.x1, 9 * box.y1)
    photograph = PersonRecord(path, times_nine, record.joints * np.array([9, 9, 1], np.float32))

    small, target = _sampled(record, config, QUIET)
    crop, same = _sampled(photograph, config, QUIET)
    np.testing.assert_allclose(same, target, atol=1e-3)
    assert np.abs(crop.astype(float) - small).mean() < 6
    exact, _ = _sampled(photograph, config, None)
    assert (exact != crop).any(), "without augmentation all pixels are read"
