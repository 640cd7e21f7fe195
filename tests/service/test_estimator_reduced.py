"""Pictures at a part of their size, and the finer pixels that an estimator asks for."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from service.inference.card import InputSize
from service.inference.types import Box, Image, Reduction, Size
from tests.service.fake_networks import (
    FakeSession,
    detector_answer,
    fake_estimator,
    grey_picture,
    in_detector,
)


@pytest.fixture
def make_estimator(bundles):
    return partial(fake_estimator, bundles)


def test_picture_is_needed_three_times_as_fine_as_the_detector_sees_it(make_estimator):
    # Of 64 x 64.
    estimator = make_estimator()

    assert estimator.needed_scale(Size(height=640, width=1280)) == pytest.approx(0.15)
    assert estimator.needed_scale(Size(height=1280, width=640)) == pytest.approx(0.15)


def test_detector_that_is_not_square_may_get_the_picture_turned(make_estimator, bundles):
    card = bundles.detector_card(input=InputSize(height=64, width=128))
    estimator = replace(make_estimator(), detector=FakeSession(card, detector_answer([])))

    for size in (Size(height=640, width=1280), Size(height=1280, width=640)):
        assert estimator.needed_scale(size) == pytest.approx(0.3)


def test_picture_is_needed_as_fine_as_the_best_of_several_sizes_shows_it(make_estimator, bundles):
    detector = FakeSession(bundles.oblong_card(), detector_answer([]))
    estimator = replace(make_estimator(), detector=detector)

    # 96 x 32 of 1920 x 640, and with some room three times that.
    for size in (Size(height=640, width=1920), Size(height=1920, width=640)):
        assert estimator.needed_scale(size) == pytest.approx(3 * 0.05)


def test_picture_is_needed_as_fine_as_the_smallest_given_box(make_estimator):
    boxes = [Box(0, 0, 400, 800), Box(500, 500, 548, 564)]

    # 64 x 48 pixels for a box and the padding of 1.25.
    scale = make_estimator().needed_scale(Size(height=1000, width=1000), boxes)

    assert scale == pytest.approx(1 / 1.25)
    assert make_estimator().needed_scale(Size(height=1000, width=1000), []) == 0


@pytest.fixture
def whole():
    return grey_picture(Size(height=256, width=320))


@pytest.fixture
def half(whole):
    """The same at half its size, and brighter, so that it can be told from it."""
    pixels = np.full((128, 160, 3), 255, np.uint8)
    return Image(pixels, Reduction(whole.size, np.array([[2.0, 0, 0], [0, 2, 0]])))


def test_finer_pixels_are_asked_for_only_where_a_crop_would_be_enlarged(
    make_estimator, whole, half
):
    asked = []

    def finer(scale):
        asked.append(scale)
        return whole

    estimator = make_estimator()
    small, large = Box(10, 10, 40, 60), Box(10, 10, 150, 210)
    estimator.predict(half, boxes=[large], finer=finer)
    assert asked == []
    prediction = estimator.predict(half, boxes=[large, small], finer=finer)
    assert asked == [pytest.approx(64 / 50 / 1.25)]
    assert prediction.decode_s > 0
    # There is nothing finer than all pixels.
    estimator.predict(whole, boxes=[Box(10, 10, 12, 12)], finer=finer)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("score", "looks"),
    [(0.9, [1]), (0.49, [1, 1])],
    ids=["likely to be answered", "doubtful"],
)
def test_person_is_answered_from_finer_pixels(make_estimator, whole, half, score, looks):
    rows = [in_detector(Box(10, 10, 40, 60), score, whole.size)]
    estimator = make_estimator(rows, joint_score=lambda crop: crop[32, 24, 0] / 255)

    (person,) = estimator.predict(half, finer=lambda _: whole).persons

    # Brighter pixels would give a better score.
    assert person.score == pytest.approx(score * 128 / 255, abs=1e-3)
    assert estimator.keypoints.batches == looks
