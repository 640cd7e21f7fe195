"""COCO's average precision and recall of keypoints and boxes, by pycocotools."""

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from service.inference.errors import InvalidData

KEYPOINT_FIGURES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""In the order of `COCOeval`: mean over OKS 0.50:0.95, at 0.50, at 0.75, medium, large people."""
BOX_FIGURES = (
    "AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR", "ARS", "ARM", "ARL",
)  # fmt: skip
"""As above by IoU, with small people; AR1 and AR10 take the best one and ten boxes, AR 100."""

_PERSON = 1
_OUTSIDE_EVERY_SIZE = -1.0


def keypoint_metrics(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], sigmas: Sequence[float]
) -> dict[str, float]:
    """The ten COCO keypoint figures by object keypoint similarity (OKS).

    Crowds and people without labelled keypoints are neither found nor missed. A figure for a size
    that no person of the truth has is -1, as in COCO. Of each picture the best 20 results count.

    Args:
        truth: COCO document; every annotation counts as a person.
        results: COCO keypoint results: `image_id`, `keypoints` (3 K numbers), `score`.
        sigmas: K values, as in `Skeleton`.

    Returns:
        `KEYPOINT_FIGURES` → value; all 0 without results.

    Raises:
        InvalidData: a result or an annotation lacks a field or does not fit the truth.

    Source: cocodataset.org, keypoint evaluation; Ronchi and Perona 2017.
    """
    _check_pictures(truth, results)
    if not results:
        return dict.fromkeys(KEYPOINT_FIGURES, 0.0)
    numbers = 3 * len(sigmas)
    expected = [_person_truth(annotation, numbers) for annotation in truth["annotations"]]
    found = [_person_result(result, numbers) for result in results]
    stats = _measure(truth, expected, found, "keypoints", np.array(sigmas))
    return dict(zip(KEYPOINT_FIGURES, stats, strict=True))


def box_metrics(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    min_height_px: float = 0.0,
) -> dict[str, float]:
    """The twelve COCO box figures by intersection over union (IoU), for people.

    Crowds and what a teacher found where the labels name nobody (`source` is `teacher`, no labelled
    keypoint) are ignored as COCO ignores crowds: a box inside is neither right nor wrong.

    Args:
        truth: COCO document; every annotation counts as a person.
        results: COCO box results: `image_id`, `bbox`, `score`.
        min_height_px: people below are ignored, and so are boxes below that match nobody.

    Returns:
        `BOX_FIGURES` → value, -1 for a size that nobody has; all 0 without results.

    Raises:
        InvalidData: a result or an annotation lacks a field or does not fit the truth.

    Source: cocodataset.org, detection evaluation.
    """
    _check_pictures(truth, results)
    if not results:
        return dict.fromkeys(BOX_FIGURES, 0.0)
    expected = [_box_truth(annotation, min_height_px) for annotation in truth["annotations"]]
    found = [_box_result(result, min_height_px) for result in results]
    stats = _measure(truth, expected, found, "bbox", None)
    return dict(zip(BOX_FIGURES, stats, strict=True))


def is_measured_box(annotation: Mapping[str, Any], min_height_px: float = 0.0) -> bool:
    """Whether `box_metrics` expects a detector to find this annotation."""
    return annotation["bbox"][3] >= min_height_px and not _is_region(annotation)


def _measure(
    truth: Mapping[str, Any],
    expected: list[dict[str, Any]],
    found: list[dict[str, Any]],
    kind: str,
    sigmas: np.ndarray | None,
) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation: Any = COCOeval(_index(truth, expected), _index(truth, found), kind)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(figure) for figure in evaluation.stats]


def _index(truth: Mapping[str, Any], annotations: Iterable[dict[str, Any]]) -> Any:
    """The tool's own document; ids start at 1, since it takes a match with id 0 for no match."""
    coco: Any = COCO()
    coco.dataset = {
        "images": list(truth["images"]),
        "categories": [{"id": _PERSON, "name": "person"}],
        "annotations": [
            annotation | {"id": number, "category_id": _PERSON}
            for number, annotation in enumerate(annotations, start=1)
        ],
    }
    coco.createIndex()
    return coco


def _check_pictures(truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> None:
    known = {image["id"] for image in truth["images"]}
    for label, entries in (("annotations", truth["annotations"]), ("results", results)):
        unknown = sorted(
            {str(entry["image_id"]) for entry in entries if entry["image_id"] not in known}
        )
        if unknown:
            raise InvalidData(f"{label}: image_id {', '.join(unknown[:5])} is not among the images")


def _person_truth(annotation: Mapping[str, Any], numbers: int) -> dict[str, Any]:
    labelled = annotation.get("num_keypoints", 0)
    keypoints = annotation.get("keypoints", []) if labelled else [0.0] * numbers
    _check_count("annotations", keypoints, numbers)
    return _truth(annotation) | {"num_keypoints": labelled, "keypoints": keypoints}


def _person_result(result: Mapping[str, Any], numbers: int) -> dict[str, Any]:
    """The extent of the joints is a person's size: a box in the result would replace it."""
    keypoints = result["keypoints"]
    _check_count("results", keypoints, numbers)
    width = max(keypoints[0::3]) - min(keypoints[0::3])
    height = max(keypoints[1::3]) - min(keypoints[1::3])
    return {
        "image_id": result["image_id"],
        "keypoints": keypoints,
        "area": width * height,
        "score": result["score"],
    }


def _check_count(label: str, keypoints: Sequence[float], numbers: int) -> None:
    if len(keypoints) != numbers:
        raise InvalidData(f"{label}: `keypoints` has {len(keypoints)} numbers, expected {numbers}")


def _box_truth(annotation: Mapping[str, Any], min_height_px: float) -> dict[str, Any]:
    truth = _truth(annotation)
    if annotation["bbox"][3] < min_height_px:
        truth["area"] = _OUTSIDE_EVERY_SIZE
    if _is_region(annotation):
        truth["iscrowd"] = 1
    return truth


def _is_region(annotation: Mapping[str, Any]) -> bool:
    """Whether it marks where people are without being a label of one."""
    of_teacher = annotation.get("source") == "teacher" and not annotation.get("num_keypoints", 0)
    return of_teacher or bool(annotation.get("iscrowd", 0))


def _box_result(result: Mapping[str, Any], min_height_px: float) -> dict[str, Any]:
    _, _, width, height = result["bbox"]
    return {
        "image_id": result["image_id"],
        "bbox": result["bbox"],
        "area": width * height if height >= min_height_px else _OUTSIDE_EVERY_SIZE,
        "score": result["score"],
    }


def _truth(annotation: Mapping[str, Any]) -> dict[str, Any]:
    missing = [field for field in ("bbox", "area") if field not in annotation]
    if missing:
        raise InvalidData(
            f"annotations: annotation {annotation.get('id')} has no `{missing[0]}`, "
            "which the evaluation needs"
        )
    return {
        "image_id": annotation["image_id"],
        "bbox": annotation["bbox"],
        "area": annotation["area"],
        "iscrowd": annotation.get("iscrowd", 0),
    }
