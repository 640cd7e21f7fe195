from collections.abc import Callable

import numpy as np
import pytest

from service.inference.card import ModelCard, Skeleton
from service.inference.errors import InvalidData, InvalidInput
from service.inference.estimator import PoseEstimator
from service.inference.geometry import crop_affine, letterbox_affine, transform_points, warp
from service.inference.types import Box
from tests.training.fixed_bundles import (
    CROP,
    LETTERBOX,
    PADDING,
    SLOTS,
    make_card,
)
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.data.pictures import read_picture
from training.evaluate import (
    evaluate_detector,
    evaluate_keypoints,
    evaluate_pipeline,
)
from training.flip_test import FlipTest
from training.measure import measure_keypoints, measure_pipeline
from training.metrics import BOX_FIGURES, KEYPOINT_FIGURES
from training.skeletons import COCO


class Oracle:
    """A session that knows the answer to each picture it was prepared for, and to no other."""

    provider = "oracle"

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.answers: dict[bytes, dict[str, np.ndarray]] = {}
        self.batches: list[int] = []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(len(image))
        rows = [self.answers[picture.tobytes()] for picture in image]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def labelled(coco: CocoFile) -> list[tuple[dict, np.ndarray, np.ndarray]]:
    """Each annotation with its picture's pixels and its joints `[17, 3]`."""
    files = {image["id"]: coco.picture(image) for image in coco.document["images"]}
    return [
        (
            one,
            read_picture(files[one["image_id"]]).pixels,
            np.array(one["keypoints"]).reshape(17, 3),
        )
        for one in coco.document["annotations"]
    ]


def keypoint_oracle(coco: CocoFile, *, error_px: float = 0.0) -> Oracle:
    """Knows the joints of everyone, also in mirrored crops; says x a little too large in both."""
    oracle = Oracle(make_card("keypoints", CROP))
    for annotation, pixels, joints in labelled(coco):
        affine = crop_affine(Box.from_xywh(*annotation["bbox"]), CROP, PADDING)
        crop = warp(pixels, affine, CROP)
        answer = joints.astype(np.float32)
        answer[:, :2] = transform_points(joints[:, :2], affine)
        answer[:, 2] = 0.9
        mirrored = answer[COCO.flip_order()].copy()
        mirrored[:, 0] = CROP.width - mirrored[:, 0]
        for picture, known in ((crop, answer), (crop[:, ::-1], mirrored)):
            known[:, 0] += error_px
            oracle.answers[picture.tobytes()] = {"keypoints": known}
    return oracle


def box_oracle(coco: CocoFile, *, only_image: int | None = None, twice: bool = False) -> Oracle:
    oracle = Oracle(make_card("detection", LETTERBOX))
    for image in coco.document["images"]:
        picture = read_picture(coco.picture(image))
        affine = letterbox_affine(picture.size, LETTERBOX)
        boxes, scores = np.zeros((SLOTS, 4), np.float32), np.zeros(SLOTS, np.float32)
        people = [one for one in coco.document["annotations"] if one["image_id"] == image["id"]]
        if only_image not in (None, image["id"]):
            people = []
        for slot, person in enumerate(people * 2 if twice else people):
            x, y, width, height = person["bbox"]
            corners = transform_points(np.array([[x, y], [x + width, y + height]]), affine)
            boxes[slot], scores[slot] = corners.ravel(), 0.8 if slot < len(people) else 0.7
        crop = warp(picture.pixels, affine, LETTERBOX)
        oracle.answers[crop.tobytes()] = {"boxes": boxes, "scores": scores}
    return oracle


@pytest.fixture
def coco(stick_people: Callable[..., DataSet]) -> CocoFile:
    return read_coco(stick_people("val", pictures=5))


def test_who_knows_the_joints_reaches_one(coco: CocoFile) -> None:
    evaluation = evaluate_keypoints(keypoint_oracle(coco), coco)
    assert tuple(evaluation.metrics) == KEYPOINT_FIGURES
    assert evaluation.metrics["AP"] == pytest.approx(1)
    assert evaluation.metrics["AR"] == pytest.approx(1)
    assert (evaluation.model, evaluation.provider) == ("oracle/3", "oracle")
    assert (evaluation.boxes, evaluation.flip_test) == ("ground truth", False)
    assert evaluation.data == "person_keypoints_val.json"
    assert evaluation.pictures == 5
    assert evaluation.people == len(coco.document["annotations"])


def test_joints_beside_the_truth_lose_precision(coco: CocoFile) -> None:
    near = evaluate_keypoints(keypoint_oracle(coco, error_px=2), coco).metrics["AP"]
    far = evaluate_keypoints(keypoint_oracle(coco, error_px=6), coco).metrics["AP"]
    assert 0 < far < near < 0.99


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batches_change_nothing_and_are_not_exceeded(coco: CocoFile, batch_size: int) -> None:
    oracle = keypoint_oracle(coco, error_px=2)
    whole = evaluate_keypoints(keypoint_oracle(coco, error_px=2), coco)
    assert evaluate_keypoints(oracle, coco, batch_size=batch_size) == whole
    assert max(oracle.batches) <= batch_size
    assert sum(oracle.batches) == whole.people


def test_answers_to_given_boxes_stay_with_their_people(coco: CocoFile) -> None:
    measurement = measure_keypoints(keypoint_oracle(coco), coco)
    assert measurement.asked is not None
    people = coco.document["annotations"]
    assert sorted(measurement.asked) == list(range(len(people)))
    for place, result in zip(measurement.asked, measurement.results, strict=True):
        expected = np.array(people[place]["keypoints"]).reshape(17, 3)
        found = np.array(result["keypoints"]).reshape(17, 3)
        assert result["image_id"] == people[place]["image_id"]
        np.testing.assert_allclose(found[:, :2], expected[:, :2], atol=1e-3)


def test_flip_test_mirrors_back_and_cancels_a_bias(coco: CocoFile) -> None:
    oracle = keypoint_oracle(coco, error_px=3.5)
    plain = evaluate_keypoints(oracle, coco)
    flipped = evaluate_keypoints(oracle, coco, flip_test=True)
    assert plain.metrics["AP"] < 0.9
    assert flipped.metrics["AP"] == pytest.approx(1)
    assert flipped.flip_test


def test_flip_test_believes_the_surer_of_two_far_places() -> None:
    """In two of three joints the straight and the mirrored answer lie half a crop apart."""
    skeleton = Skeleton(names=("nose", "tail", "ear"), edges=(), flip_pairs=(), sigmas=(1, 1, 1))
    oracle = Oracle(make_card("keypoints", CROP, skeleton))
    crop = np.zeros((CROP.height, CROP.width, 3), np.uint8)
    crop[:, 0] = 255
    straight = np.array([(20, 30, 0.9), (20, 30, 0.1), (20, 30, 0.5)], np.float32)
    mirrored = np.array([(26, 60, 0.1), (26, 60, 0.9), (74, 34, 0.7)], np.float32)
    oracle.answers[crop.tobytes()] = {"keypoints": straight}
    oracle.answers[crop[:, ::-1].tobytes()] = {"keypoints": mirrored}
    (answer,) = FlipTest(oracle).run(crop[np.newaxis])["keypoints"]
    expected = [(20, 30, 0.5), (CROP.width - 26, 60, 0.5), (21, 32, 0.6)]
    np.testing.assert_allclose(answer, expected, rtol=1e-6)


def test_only_people_with_labels_are_asked_for(coco: CocoFile) -> None:
    oracle = keypoint_oracle(coco)
    coco.document["annotations"][0]["num_keypoints"] = 0
    coco.document["annotations"][1]["iscrowd"] = 1
    evaluation = evaluate_keypoints(oracle, coco)
    assert sum(oracle.batches) == evaluation.people == len(coco.document["annotations"]) - 2
    assert evaluation.metrics["AP"] == pytest.approx(1)


def test_file_without_labels_cannot_measure_joints(coco: CocoFile) -> None:
    for annotation in coco.document["annotations"]:
        annotation["num_keypoints"] = 0
    with pytest.raises(InvalidData, match="nobody with labelled keypoints"):
        evaluate_keypoints(Oracle(make_card("keypoints", CROP)), coco)


def test_network_with_other_joints_is_refused(coco: CocoFile) -> None:
    other = COCO.model_copy(update={"names": ("chin", *COCO.names[1:])})
    with pytest.raises(InvalidData, match="chin"):
        evaluate_keypoints(Oracle(make_card("keypoints", CROP, other)), coco)


def test_tasks_are_not_confused(coco: CocoFile) -> None:
    finder, joints = box_oracle(coco), keypoint_oracle(coco)
    with pytest.raises(InvalidInput, match="finder/3 has task detection"):
        evaluate_keypoints(finder, coco)
    with pytest.raises(InvalidInput, match="oracle/3 has task keypoints"):
        evaluate_detector(joints, coco)
    with pytest.raises(InvalidInput, match="oracle/3 has task keypoints"):
        evaluate_pipeline(PoseEstimator("p", joints, joints, 0.0), coco)


def test_detector_that_finds_everyone_reaches_one(coco: CocoFile) -> None:
    evaluation = evaluate_detector(box_oracle(coco), coco)
    assert tuple(evaluation.metrics) == BOX_FIGURES
    assert evaluation.metrics["AP50"] == pytest.approx(1)
    assert evaluation.metrics["AP"] == pytest.approx(1)
    assert evaluation.boxes == evaluation.model == "finder/3"


def test_detector_that_misses_people_loses_recall(coco: CocoFile) -> None:
    image_id = coco.document["annotations"][0]["image_id"]
    people = [one["image_id"] == image_id for one in coco.document["annotations"]]
    metrics = evaluate_detector(box_oracle(coco, only_image=image_id), coco).metrics
    assert metrics["AR"] == pytest.approx(np.mean(people))


def test_detector_may_be_measured_on_tall_people_only(coco: CocoFile) -> None:
    heights = sorted(one["bbox"][3] for one in coco.document["annotations"])
    tallest = heights[-1]
    nobody = evaluate_detector(box_oracle(coco), coco, min_height_px=tallest + 1)
    assert nobody.metrics["AP"] == -1
    one = evaluate_detector(box_oracle(coco), coco, min_height_px=tallest)
    assert one.metrics["AP"] == pytest.approx(1)
    assert (nobody.people, one.people) == (0, 1)


def test_people_of_a_teacher_are_not_counted_as_missed(coco: CocoFile) -> None:
    everyone = len(coco.document["annotations"])
    coco.document["annotations"][0] |= {"source": "teacher", "num_keypoints": 0}
    evaluation = evaluate_detector(box_oracle(coco), coco)
    assert evaluation.people == everyone - 1
    assert evaluation.metrics["AP"] == pytest.approx(1)


def test_end_to_end_takes_the_detectors_boxes(coco: CocoFile) -> None:
    """The oracle only knows the crops of the true boxes, so another box would be a KeyError."""
    keypoints = keypoint_oracle(coco)
    boxes = box_oracle(coco)
    found = [box for image in coco.document["images"] for box in _detected(boxes, coco, image)]
    for (annotation, pixels, joints), box in zip(labelled(coco), found, strict=True):
        affine = crop_affine(box, CROP, PADDING)
        answer = np.column_stack([transform_points(joints[:, :2], affine), np.full(17, 0.9)])
        crop = warp(pixels, affine, CROP)
        keypoints.answers[crop.tobytes()] = {"keypoints": answer.astype(np.float32)}
        assert box.x0 == pytest.approx(annotation["bbox"][0], abs=1e-3)
    evaluation = evaluate_pipeline(PoseEstimator("p", boxes, keypoints, 0.5), coco)
    assert evaluation.metrics["AP"] == pytest.approx(1)
    assert evaluation.boxes == "finder/3"
    nobody = PoseEstimator("p", box_oracle(coco, only_image=-1), keypoints, 0.5)
    assert set(evaluate_pipeline(nobody, coco).metrics.values()) == {0.0}


def test_person_whom_the_detector_finds_twice_is_answered_once(coco: CocoFile) -> None:
    """Who looks twice at the same crop sees the same joints, which are suppressed by their OKS."""
    boxes, keypoints = box_oracle(coco, twice=True), keypoint_oracle(coco)
    keypoints.answers = _same_answers(coco, boxes)
    measurement = measure_pipeline(PoseEstimator("p", boxes, keypoints, 0.0), coco)
    assert len(measurement.results) == len(coco.document["annotations"])
    scores = [result["score"] for result in measurement.results]
    assert scores == pytest.approx([0.8 * 0.9] * len(scores))


def _same_answers(coco: CocoFile, boxes: Oracle) -> dict[bytes, dict[str, np.ndarray]]:
    """Every box is answered with the same joints in its crop."""
    answers: dict[bytes, dict[str, np.ndarray]] = {}
    joints = np.column_stack([np.linspace(10, 90, 17), np.linspace(10, 120, 17), np.full(17, 0.9)])
    for image in coco.document["images"]:
        pixels = read_picture(coco.picture(image)).pixels
        for box in _detected(boxes, coco, image):
            crop = warp(pixels, crop_affine(box, CROP, PADDING), CROP)
            answers[crop.tobytes()] = {"keypoints": joints.astype(np.float32)}
    return answers


def _detected(boxes: Oracle, coco: CocoFile, image: dict) -> list[Box]:
    """In the order of the annotations: all have the same score."""
    estimator = PoseEstimator("p", boxes, boxes, 0.0)
    return [box for _, box in estimator.detect(read_picture(coco.picture(image)))]
