from collections.abc import Sequence

import numpy as np
import pytest

from service.inference.errors import InvalidData
from training.comparison import box_comparison, keypoint_comparison
from training.metrics import BOX_FIGURES, KEYPOINT_FIGURES, coco_metrics
from training.skeletons import COCO

AREA = 50.0**2
PICTURES = (1, 2)


def person(image_id: int, x: float, *, area: float = AREA, **fields: object) -> dict:
    joints = np.column_stack([x + np.arange(17) * 2.0, 20 + np.arange(17) * 5.0, np.full(17, 2)])
    return {
        "id": 0,  # pycocotools would take a match with it for no match
        "image_id": image_id,
        "category_id": 7,
        "iscrowd": 0,
        "num_keypoints": 17,
        "keypoints": joints.ravel().tolist(),
        "bbox": [x, 10.0, 40.0, 100.0],
        "area": area,
    } | fields


def coco(*people: dict) -> dict:
    return {"images": [{"id": i} for i in PICTURES], "annotations": list(people), "categories": []}


def answer(truth: dict, *, score: float = 0.9, shift: float = 0.0) -> dict:
    keypoints = np.array(truth["keypoints"]).reshape(17, 3)
    keypoints[:, 0] += shift
    x, y, width, height = truth["bbox"]
    return {
        "image_id": truth["image_id"],
        "category_id": 1,
        "keypoints": keypoints.ravel().tolist(),
        "bbox": [x + shift, y, width, height],
        "score": score,
    }


def keypoint_metrics(truth: dict, results: list[dict], sigmas: Sequence[float]) -> dict[str, float]:
    return coco_metrics(keypoint_comparison(truth, results, sigmas))


def box_metrics(
    truth: dict, results: list[dict], *, min_height_px: float = 0.0
) -> dict[str, float]:
    return coco_metrics(box_comparison(truth, results, min_height_px=min_height_px))


def all_near(figures: dict[str, float], value: float, *names: str) -> bool:
    return [figures[name] for name in names] == pytest.approx([value] * len(names))


def shift_for_oks(oks: float) -> float:
    """The common shift of all joints whose similarity is `oks`."""
    low, high = 0.0, 500.0
    for _ in range(60):
        shift = (low + high) / 2
        errors = shift**2 / (2 * AREA * (2 * np.array(COCO.sigmas)) ** 2)
        low, high = (shift, high) if np.exp(-errors).mean() > oks else (low, shift)
    return low


def test_exact_joints_reach_one() -> None:
    truth = coco(person(1, 10), person(1, 200), person(2, 30))
    figures = keypoint_metrics(truth, [answer(one) for one in truth["annotations"]], COCO.sigmas)
    assert tuple(figures) == KEYPOINT_FIGURES
    assert all_near(figures, 1, "AP", "AP50", "APM", "AR")
    assert figures["APL"] == -1  # nobody is large


@pytest.mark.parametrize(("oks", "steps"), [(0.52, 1), (0.77, 6), (0.92, 9), (0.49, 0)])
def test_shifted_joints_count_below_their_similarity(oks: float, steps: int) -> None:
    truth = coco(person(1, 10))
    results = [answer(truth["annotations"][0], shift=shift_for_oks(oks))]
    figures = keypoint_metrics(truth, results, COCO.sigmas)
    assert all_near(figures, steps / 10, "AP", "AR")
    assert all_near(figures, float(oks > 0.5), "AP50", "AR50")
    assert all_near(figures, float(oks > 0.75), "AP75", "AR75")


def test_sigmas_decide_how_far_is_too_far() -> None:
    truth = coco(person(1, 10))
    results = [answer(truth["annotations"][0], shift=shift_for_oks(0.6))]
    strict = keypoint_metrics(truth, results, [sigma / 4 for sigma in COCO.sigmas])
    loose = keypoint_metrics(truth, results, [sigma * 4 for sigma in COCO.sigmas])
    assert (strict["AP"], loose["AP"]) == (0, pytest.approx(1, abs=0.11))


def test_missed_person_lowers_recall_and_precision() -> None:
    truth = coco(person(1, 10), person(2, 30))
    figures = keypoint_metrics(truth, [answer(truth["annotations"][0])], COCO.sigmas)
    assert figures["AR"] == pytest.approx(0.5)
    assert figures["AP"] == pytest.approx(51 / 101)  # 51 of the 101 recall points


def test_false_person_hurts_by_its_score() -> None:
    truth = coco(person(1, 10))
    right = answer(truth["annotations"][0], score=0.5)
    wrong = {"image_id": 2, "keypoints": [0.0, 0.0, 1.0] * 17}
    timid = keypoint_metrics(truth, [right, wrong | {"score": 0.1}], COCO.sigmas)
    bold = keypoint_metrics(truth, [right, wrong | {"score": 0.9}], COCO.sigmas)
    assert timid["AP"] == pytest.approx(1)
    assert bold["AP"] == pytest.approx(0.5)


def test_no_results_are_zero() -> None:
    truth = coco(person(1, 10))
    assert keypoint_metrics(truth, [], COCO.sigmas) == dict.fromkeys(KEYPOINT_FIGURES, 0.0)
    assert box_metrics(truth, []) == dict.fromkeys(BOX_FIGURES, 0.0)


def test_person_without_labels_is_neither_found_nor_missed() -> None:
    unlabelled = person(1, 200, num_keypoints=0, keypoints=[0] * 51)
    boxed_only = {key: value for key, value in unlabelled.items() if key != "keypoints"}
    truth = coco(person(1, 10), boxed_only)
    results = [answer(person(1, 200), score=0.99), answer(person(1, 10), score=0.5)]
    figures = keypoint_metrics(truth, results, COCO.sigmas)
    assert all_near(figures, 1, "AP", "AR")


def test_area_of_the_truth_decides_the_size() -> None:
    truth = coco(person(1, 10), person(2, 10, area=200.0**2))
    figures = keypoint_metrics(truth, [answer(truth["annotations"][1])], COCO.sigmas)
    assert (figures["ARM"], figures["ARL"]) == (0, pytest.approx(1))


def test_truth_and_results_are_left_as_they_were() -> None:
    truth = coco(person(1, 10))
    results = [answer(truth["annotations"][0])]
    before = repr((truth, results))
    keypoint_metrics(truth, results, COCO.sigmas)
    box_metrics(truth, results)
    assert repr((truth, results)) == before


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    truth = coco(person(1, 10))
    keypoint_metrics(truth, [answer(truth["annotations"][0])], COCO.sigmas)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("truth", "results", "named"),
    [
        (coco(person(1, 10)), [answer(person(9, 10))], "results: image_id 9"),
        (coco(person(9, 10)), [answer(person(1, 10))], "annotations: image_id 9"),
        (
            coco(person(1, 10)),
            [answer(person(1, 10)) | {"keypoints": [1.0] * 45}],
            "results: `keypoints` has 45 numbers, expected 51",
        ),
        (
            coco(person(1, 10, keypoints=[1.0] * 45)),
            [answer(person(1, 10))],
            "annotations: `keypoints` has 45 numbers, expected 51",
        ),
        (
            coco({k: v for k, v in person(1, 10, id=5).items() if k != "area"}),
            [answer(person(1, 10))],
            "annotation 5 has no `area`",
        ),
    ],
)
def test_what_does_not_fit_is_named(truth: dict, results: list[dict], named: str) -> None:
    with pytest.raises(InvalidData, match=named):
        keypoint_metrics(truth, results, COCO.sigmas)


def test_exact_boxes_reach_one() -> None:
    truth = coco(person(1, 10), person(2, 10, area=20.0**2))
    figures = box_metrics(truth, [answer(one) for one in truth["annotations"]])
    assert tuple(figures) == BOX_FIGURES
    assert all_near(figures, 1, "AP", "APS", "APM", "AR")


def test_shifted_box_counts_below_its_overlap() -> None:
    truth = coco(person(1, 10))
    shift = 40 * (1 - 0.72) / (1 + 0.72)  # IoU 0.72
    figures = box_metrics(truth, [answer(truth["annotations"][0], shift=shift)])
    assert figures["AP"] == pytest.approx(0.5)
    assert (figures["AP50"], figures["AP75"]) == (pytest.approx(1), 0)


@pytest.mark.parametrize(
    "ignored", [{"iscrowd": 1}, {"source": "teacher", "num_keypoints": 0}], ids=["crowd", "teacher"]
)
def test_box_on_an_ignored_person_does_not_hurt(ignored: dict) -> None:
    truth = coco(person(1, 10), person(1, 200, **ignored))
    results = [answer(person(1, 200), score=0.99), answer(person(1, 10), score=0.5)]
    assert box_metrics(truth, results)["AP"] == pytest.approx(1)
    missed = box_metrics(truth, results[1:])
    assert missed["AR"] == pytest.approx(1)


def test_teachers_person_with_joints_counts() -> None:
    truth = coco(person(1, 10), person(1, 200, source="teacher"))
    assert box_metrics(truth, [answer(person(1, 10))])["AR"] == pytest.approx(0.5)


def test_people_below_the_height_are_ignored_and_so_are_their_boxes() -> None:
    small = person(1, 200, bbox=[200.0, 10.0, 10.0, 30.0], area=300.0)
    truth = coco(person(1, 10), small)
    tall, tiny = answer(person(1, 10), score=0.5), answer(small, score=0.9)
    nowhere = {"image_id": 2, "bbox": [0.0, 0.0, 9.0, 20.0], "score": 0.95}
    everyone = box_metrics(truth, [tall])
    assert everyone["AR"] == pytest.approx(0.5)
    only_tall = box_metrics(truth, [tall, tiny, nowhere], min_height_px=32)
    assert all_near(only_tall, 1, "AR", "AP")
    assert only_tall["APS"] == -1
    assert all_near(box_metrics(truth, [tall], min_height_px=32), 1, "AR")
