"""The figures of an exported network, named as its card names them: `set/boxes/AP`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from service.inference.errors import InvalidData
from service.inference.estimator import PoseEstimator
from service.inference.session import Session
from training.analysis.analyse import analyse
from training.analysis.joints import PCK_THRESHOLDS
from training.bundle import data_name
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.evaluate import evaluate_detector, evaluate_keypoints, evaluate_pipeline
from training.evaluation import Evaluation
from training.measure import Measurement, measure_keypoints
from training.open_model import open_model

_MAIN = ("AP", "AP50", "AR")
_LARGE_PX = 32
"""COCO's bound between small people and others."""


def read_first(data: DataSet, pictures: int | None) -> CocoFile:
    """A labelled set, or what it says about its first so many pictures.

    Raises:
        InvalidData: it cannot be read.
    """
    coco = read_coco(data)
    if pictures is None:
        return coco
    images = coco.document["images"][:pictures]
    known = {image["id"] for image in images}
    annotations = [one for one in coco.document["annotations"] if one["image_id"] in known]
    document = {**coco.document, "images": images, "annotations": annotations}
    return dataclasses.replace(coco, document=document)


def average_precision(evaluation: Evaluation) -> float:
    """The figure that decides.

    Raises:
        InvalidData: nobody was there to be found.
    """
    value = evaluation.metrics["AP"]
    if value < 0:
        raise InvalidData(f"val: {evaluation.data} has nobody in it to measure on")
    return value


def figures_alone(session: Session, val: CocoFile, evaluation: Evaluation) -> dict[str, float]:
    """What `evaluate_alone` found, the size of the set, and what only cards tell.

    For keypoints that is the flip test and the share of each joint within 0.05 and 0.2 of the box's
    longer side, for boxes the figures of people of at least 32 pixels.
    """
    name = set_name(val)
    if session.card.task == "detection":
        figures = _named(f"{name}/boxes", evaluation.metrics)
        large = evaluate_detector(session, val, min_height_px=_LARGE_PX)
        more = _named(f"{name}/boxes-from-{_LARGE_PX}px", _main(large.metrics))
    else:
        figures = _named(f"{name}/gt-boxes", evaluation.metrics)
        flipped = evaluate_keypoints(session, val, flip_test=True)
        more = _named(f"{name}/gt-boxes/flip-test", _main(flipped.metrics))
        more |= _joints(f"{name}/gt-boxes", measure_keypoints(session, val))
    return (
        figures
        | more
        | {
            f"{name}/pictures": float(evaluation.pictures),
            f"{name}/people": float(evaluation.people),
        }
    )


def _main(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: metrics[name] for name in _MAIN}


def _joints(prefix: str, measurement: Measurement) -> dict[str, float]:
    figures: dict[str, float] = {}
    for joint in analyse(measurement).joints:
        for threshold, share in zip(PCK_THRESHOLDS, (joint.pck_005, joint.pck_020), strict=True):
            if share is not None:
                figures[f"{prefix}/PCK@{threshold:g}/{joint.name}"] = round(share, 4)
    return figures


def figures_end_to_end(session: Session, val: CocoFile, detector: Path) -> dict[str, float]:
    """A keypoint network on the boxes of a detector's bundle.

    Raises:
        PoseError: the detector or the set cannot be used with the network.
    """
    pipeline = PoseEstimator("evaluation", open_model(detector, "cpu"), session, 0.0)
    evaluation = evaluate_pipeline(pipeline, val)
    return _named(f"{set_name(val)}/{evaluation.boxes}", evaluation.metrics)


def set_name(data: CocoFile) -> str:
    """The short name of a set."""
    return data_name(DataSet(annotations=data.path, images=data.images))


def _named(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    # -1 is COCO's word for a size that nobody has.
    return {f"{prefix}/{name}": round(value, 4) for name, value in metrics.items() if value >= 0}
