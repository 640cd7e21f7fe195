import math
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from service.inference.errors import InvalidBundle, InvalidInput
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.inference.types import Box, Image, Size
from tests.service.fake_networks import (
    CROP,
    FakeSession,
    K,
    detector_answer,
    fake_estimator,
    grey_picture,
    in_detector,
)


@pytest.fixture
def make_estimator(bundles):
    return partial(fake_estimator, bundles)


def corners(box):
    return [box.x0, box.y0, box.x1, box.y1]


LEFT = Box(10, 20, 50, 100)
RIGHT = Box(100, 30, 140, 110)


def test_person_is_mapped_back_to_the_picture(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.9)], joint_score=0.5)

    (person,) = estimator.predict(grey_picture()).persons

    np.testing.assert_allclose(corners(person.box), corners(LEFT), atol=1e-4)
    assert person.score == pytest.approx(0.45)
    assert [joint.name for joint in person.keypoints] == list(estimator.skeleton.names)
    for joint in person.keypoints:
        assert (joint.x, joint.y) == pytest.approx((30, 60), abs=1e-4)
        assert joint.score == pytest.approx(0.5)


def test_networks_of_onnx_find_a_patch_where_it_is(models_dir):
    estimator = load_pipeline(models_dir, "default", Execution(device="cpu"))
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[118:126, 96:104] = 255

    (person,) = estimator.predict(Image(pixels)).persons

    for joint in person.keypoints:
        assert (joint.x, joint.y) == pytest.approx((100, 122), abs=6)
    assert person.score > 0.5


def test_nobody_there_is_an_empty_answer_without_asking_for_joints(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.0), in_detector(RIGHT, 0.1)])

    assert estimator.predict(grey_picture()).persons == ()
    assert estimator.keypoints.batches == []


def test_detector_without_slots_finds_nobody(make_estimator):
    assert make_estimator([]).predict(grey_picture()).persons == ()


def test_unused_slots_are_nobody_even_at_threshold_zero(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.0)])

    assert estimator.predict(grey_picture(), min_person_score=0.0).persons == ()


def test_persons_are_ordered_by_both_scores(make_estimator):
    picture = grey_picture()
    picture.pixels[:, 80:] = 255
    estimator = make_estimator(
        [in_detector(LEFT, 0.9), in_detector(RIGHT, 0.8)],
        joint_score=lambda crop: crop[32, 24, 0] / 255,
    )

    persons = estimator.predict(picture).persons

    assert [round(person.box.x0) for person in persons] == [100, 10]
    assert [person.score for person in persons] == pytest.approx([0.8, 0.9 * 128 / 255], abs=1e-3)


def test_best_boxes_are_kept_before_joints_are_looked_for(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.9), in_detector(RIGHT, 0.8)])

    persons = estimator.predict(grey_picture(), max_persons=1).persons

    assert [round(person.box.x0) for person in persons] == [10]
    assert estimator.keypoints.batches == [1]


def test_low_total_score_is_left_out(make_estimator):
    rows = [in_detector(LEFT, 0.9), in_detector(RIGHT, 0.5)]

    assert len(make_estimator(rows, joint_score=0.3).predict(grey_picture()).persons) == 1


def test_call_overrides_the_pipelines_threshold(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.1)])

    assert len(estimator.predict(grey_picture(), min_person_score=0.05).persons) == 1
    assert estimator.predict(grey_picture(), min_person_score=0.5).persons == ()


def test_doubtful_boxes_are_not_looked_at_unless_a_call_names_a_score(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.9), in_detector(RIGHT, 0.3)])
    choosy = replace(estimator, min_box_score=0.5)

    assert len(estimator.predict(grey_picture()).persons) == 2
    assert len(choosy.predict(grey_picture()).persons) == 1
    assert len(choosy.predict(grey_picture(), min_person_score=0.2).persons) == 2


def test_same_person_found_twice_is_one(make_estimator):
    nearly = Box(10.2, 20.1, 50.2, 100.1)
    estimator = make_estimator([in_detector(LEFT, 0.9), in_detector(nearly, 0.8)])

    (person,) = estimator.predict(grey_picture()).persons

    assert person.score == pytest.approx(0.9)


def test_given_boxes_skip_the_detector_and_score_by_joints(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.9)], joint_score=0.6)

    prediction = estimator.predict(grey_picture(), boxes=[RIGHT])

    (person,) = prediction.persons
    assert estimator.detector.batches == []
    assert person.box == RIGHT
    assert person.score == pytest.approx(0.6)


def test_given_box_is_answered_whatever_its_score(make_estimator):
    estimator = make_estimator(joint_score=0.01)
    assert len(estimator.predict(grey_picture(), boxes=[LEFT]).persons) == 1
    assert not estimator.predict(grey_picture(), boxes=[LEFT], min_person_score=0.02).persons


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.8] * 9 + [0.05] * 8, 0.8),  # half of the body is out of view
        ([0.1] * 17, 0.1),  # nothing was seen: all joints count
        ([0.9] + [0.3] * 16, (0.9 + 16 * 0.3) / 17),
    ],
)
def test_joints_out_of_view_do_not_lower_the_score(make_estimator, scores, expected):
    estimator = make_estimator()
    joints = np.zeros((1, K, 3), np.float32)
    joints[0, :, 2] = scores
    _, affines = estimator.crops(grey_picture(), [LEFT])
    (person,) = estimator.persons([(0.5, LEFT)], joints, affines)
    assert person.score == pytest.approx(0.5 * expected, rel=1e-5)


def test_given_boxes_are_never_duplicates(make_estimator):
    persons = make_estimator().predict(grey_picture(), boxes=[LEFT, LEFT]).persons

    assert len(persons) == 2


def test_no_given_boxes_are_nobody(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.9)])

    assert estimator.predict(grey_picture(), boxes=[]).persons == ()


def test_box_over_the_edge_is_clipped(make_estimator):
    detected = make_estimator([in_detector(Box(-20, -10, 40, 300), 0.9)]).predict(grey_picture())
    given = make_estimator().predict(grey_picture(), boxes=[Box(-20, -10, 40, 300)])

    for prediction in (detected, given):
        np.testing.assert_allclose(corners(prediction.persons[0].box), [0, 0, 40, 128], atol=1e-4)


def test_box_that_the_detector_puts_outside_is_nobody(make_estimator):
    rows = [in_detector(Box(-50, 0, -10, 40), 0.9), (np.nan, 1, np.nan, 3, 0.9)]

    assert make_estimator(rows).predict(grey_picture()).persons == ()


@pytest.mark.parametrize(
    "box",
    [Box(160, 0, 200, 50), Box(-50, 0, 0, 50), Box(0, 128, 10, 500), Box(900, 900, 950, 950)],
)
def test_given_box_outside_the_picture_is_refused(make_estimator, box):
    with pytest.raises(
        InvalidInput, match=r"boxes\[1\] .*expected a box inside the picture of 160 x 128 pixels"
    ):
        make_estimator().predict(grey_picture(), boxes=[LEFT, box])


@pytest.mark.parametrize(
    "box",
    [Box(10, 10, 10, 20), Box(10, 10, 20, 5), Box(0, 0, math.inf, 5), Box(math.nan, 0, 5, 5)],
    ids=["no width", "negative height", "infinite", "not a number"],
)
def test_given_box_without_an_area_is_refused(make_estimator, box):
    with pytest.raises(InvalidInput, match=r"boxes\[0\] .*width and height above 0"):
        make_estimator().predict(grey_picture(), boxes=[box])


def test_more_boxes_than_persons_are_refused(make_estimator):
    with pytest.raises(InvalidInput, match="boxes has 3 entries; expected at most max_persons = 2"):
        make_estimator().predict(grey_picture(), boxes=[LEFT] * 3, max_persons=2)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_threshold_out_of_range_is_refused(make_estimator, value):
    with pytest.raises(InvalidInput, match=f"min_person_score is {value}"):
        make_estimator().predict(grey_picture(), min_person_score=value)


def test_zero_persons_are_refused(make_estimator):
    with pytest.raises(InvalidInput, match="max_persons is 0"):
        make_estimator().predict(grey_picture(), max_persons=0)


def test_scores_stay_within_one(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 1.01)], joint_score=1.02)

    (person,) = estimator.predict(grey_picture()).persons

    assert person.score == 1.0
    assert {joint.score for joint in person.keypoints} == {1.0}


def test_many_people_are_looked_at_in_bounded_batches(make_estimator):
    boxes = [Box(x, 10, x + 3, 20) for x in range(0, 150, 3)]
    estimator = make_estimator()

    persons = estimator.predict(grey_picture(), boxes=boxes, max_persons=50).persons

    assert len(persons) == 50
    assert sum(estimator.keypoints.batches) == 50
    assert max(estimator.keypoints.batches) <= 16


def test_steps_by_themselves_give_what_predict_gives(make_estimator):
    estimator = make_estimator([in_detector(LEFT, 0.9), in_detector(RIGHT, 0.8)])
    image = grey_picture()

    candidates = estimator.detect(image)
    crops, affines = estimator.crops(image, [box for _, box in candidates])
    persons = estimator.persons(candidates, estimator.joints(crops), affines)

    assert crops.shape == (2, CROP.height, CROP.width, 3)
    assert affines.shape == (2, 2, 3)
    assert tuple(persons) == estimator.predict(image).persons


def test_single_pixel_has_people_if_the_detector_says_so(make_estimator):
    size = Size(height=1, width=1)
    estimator = make_estimator([in_detector(Box(0, 0, 1, 1), 0.9, size)])

    assert len(estimator.predict(grey_picture(size)).persons) == 1


def test_times_are_told(make_estimator):
    prediction = make_estimator([in_detector(LEFT, 0.9)]).predict(grey_picture())

    assert prediction.detect_s > 0
    assert prediction.keypoints_s > 0


def test_keypoint_network_without_a_skeleton_is_refused(make_estimator):
    detector = make_estimator().detector
    estimator = PoseEstimator("wrong", detector, detector, 0.2)

    with pytest.raises(InvalidBundle, match="has task detection; expected keypoints"):
        estimator.predict(grey_picture(), boxes=[LEFT])


def test_threads_share_an_estimator(models_dir):
    estimator = load_pipeline(models_dir, "default", Execution(device="cpu"))
    found = {}

    def find(x):
        pixels = np.zeros((64, 64, 3), np.uint8)
        pixels[30:34, x : x + 2] = 255
        answers = [estimator.predict(Image(pixels), boxes=[Box(0, 0, 64, 64)]) for _ in range(20)]
        found[x] = {round(answer.persons[0].keypoints[0].x) for answer in answers}

    threads = [threading.Thread(target=find, args=(x,)) for x in (8, 28, 48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(len(places) == 1 for places in found.values())
    assert all(abs(next(iter(places)) - (x + 1)) <= 2 for x, places in found.items())


@pytest.mark.parametrize(
    ("picture", "seen"),
    [
        (Size(height=100, width=100), (64, 64)),
        (Size(height=60, width=180), (32, 96)),
        (Size(height=180, width=60), (96, 32)),
    ],
)
def test_detector_of_several_sizes_sees_a_picture_as_large_as_it_can(bundles, picture, seen):
    # Half of the input, wherever the picture lies in it.
    rows = [(0.25 * seen[1], 0.25 * seen[0], 0.75 * seen[1], 0.75 * seen[0], 0.9)]
    detector = FakeSession(bundles.oblong_card(), detector_answer(rows))
    estimator = replace(fake_estimator(bundles), detector=detector)

    (person,) = estimator.predict(grey_picture(picture)).persons

    assert detector.shapes == [seen]
    quarter = (picture.width / 4, picture.height / 4)
    expected = [*quarter, 3 * quarter[0], 3 * quarter[1]]
    np.testing.assert_allclose(corners(person.box), expected, atol=1e-4)
