"""Truth and answers side by side, in the shape that COCO's evaluation takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.inference.errors import InvalidData
from service.inference.types import Floats

_OUTSIDE_EVERY_SIZE = -1.0

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """People of the truth and the answers about them.

    Attributes:
        image_ids: of all pictures, those without people too.
        expected: one entry for each annotation, in its order.
        found: one entry for each result, in its order.
        sigmas: `[K]`, to compare joints by OKS; None compares boxes by IoU.
    """

    image_ids: tuple[int, ...]
    expected: tuple[Entry, ...]
    found: tuple[Entry, ...]
    sigmas: Floats | None


def keypoint_comparison(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], sigmas: Sequence[float]
) -> Comparison:
    """Joints; crowds and people without labelled keypoints are neither found nor missed.

    Args:
        truth: COCO document; every annotation counts as a person.
        results: COCO keypoint results: `image_id`, `keypoints` (3 K numbers), `score`.
        sigmas: K values, as in `Skeleton`.

    Raises:
        InvalidData: a result or an annotation lacks a field or does not fit the truth.
    """
    numbers = 3 * len(sigmas)
    return Comparison(
        image_ids=_known_pictures(truth, results),
        expected=tuple(_person_truth(annotation, numbers) for annotation in truth["annotations"]),
        found=tuple(_person_result(result, numbers) for result in results),
        sigmas=np.array(sigmas),
    )


def box_comparison(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    min_height_px: float = 0.0,
) -> Comparison:
    """Boxes; who is ignored is told by `is_measured_box`, and a box on them is no error.

    Args:
        truth: COCO document; every annotation counts as a person.
        results: COCO box results: `image_id`, `bbox`, `score`.
        min_height_px: people below are ignored, and so are boxes below that match nobody.

    Raises:
        InvalidData: a result or an annotation lacks a field or does not fit the truth.
    """
    return Comparison(
        image_ids=_known_pictures(truth, results),
        expected=tuple(_box_truth(one, min_height_px) for one in truth["annotations"]),
        found=tuple(_box_result(result, min_height_px) for result in results),
        sigmas=None,
    )


def is_measured_person(annotation: Mapping[str, Any]) -> bool:
    """Whether the joints of this annotation are expected to be found."""
    return annotation.get("num_keypoints", 0) > 0 and not annotation.get("iscrowd", 0)


def is_measured_box(annotation: Mapping[str, Any], min_height_px: float = 0.0) -> bool:
    """Whether a detector is expected to find this annotation.

    Not expected are crowds, and what a teacher found where the labels name nobody (`source` is
    `teacher`, no labelled keypoint): both mark where people are without being a label of one.
    """
    return annotation["bbox"][3] >= min_height_px and not _is_region(annotation)


def without_people(entry: Entry) -> Entry:
    """The entry of a person who is not asked for: whoever finds the person makes no error."""
    if "num_keypoints" in entry:
        return entry | {"num_keypoints": 0}
    return entry | {"area": _OUTSIDE_EVERY_SIZE}


def without_error(entry: Entry) -> Entry:
    """The entry of an answer that is no error where it finds nobody."""
    return entry | {"area": _OUTSIDE_EVERY_SIZE}


def _known_pictures(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> tuple[int, ...]:
    known = {image["id"] for image in truth["images"]}
    for label, entries in (("annotations", truth["annotations"]), ("results", results)):
        unknown = sorted(
            {str(entry["image_id"]) for entry in entries if entry["image_id"] not in known}
        )
        if unknown:
            raise InvalidData(f"{label}: image_id {', '.join(unknown[:5])} is not among the images")
    return tuple(image["id"] for image in truth["images"])


def _person_truth(annotation: Mapping[str, Any], numbers: int) -> Entry:
    labelled = annotation.get("num_keypoints", 0)
    keypoints = annotation.get("keypoints", []) if labelled else [0.0] * numbers
    _check_count("annotations", keypoints, numbers)
    return _truth(annotation) | {"num_keypoints": labelled, "keypoints": keypoints}


def _person_result(result: Mapping[str, Any], numbers: int) -> Entry:
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


def _box_truth(annotation: Mapping[str, Any], min_height_px: float) -> Entry:
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


def _box_result(result: Mapping[str, Any], min_height_px: float) -> Entry:
    _, _, width, height = result["bbox"]
    return {
        "image_id": result["image_id"],
        "bbox": result["bbox"],
        "area": width * height if height >= min_height_px else _OUTSIDE_EVERY_SIZE,
        "score": result["score"],
    }


def _truth(annotation: Mapping[str, Any]) -> Entry:
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
