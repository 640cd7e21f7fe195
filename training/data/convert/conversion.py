"""The verb `convert`: labels of another tool in, a COCO file out."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.inference.card import Skeleton
from service.inference.errors import InvalidData, InvalidInput
from training.data.convert.coco_export import read_coco_export
from training.data.convert.crowdpose import read_crowdpose
from training.data.convert.document import coco_document
from training.data.convert.labelme import read_labelme
from training.data.convert.labels import Format, LabelledSet, Source
from training.data.convert.lsp import read_lsp
from training.data.convert.mpii import read_mpii
from training.data.convert.posetrack import read_posetrack
from training.data.convert.target import (
    Description,
    Joints,
    described,
    target_skeleton,
    without_place,
)
from training.data.convert.yolo_pose import read_yolo_pose
from training.data.findings import Finding, Findings

_WITH_SPLITS = ("lsp", "yolo-pose")
_WITH_OWN_JOINTS = ("yolo-pose", "labelme", "coco")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        skeleton: of the file.
        unused: joints of the set that the file has no place for.
        unlabelled: joints of the file that the set does not label.
        images: folder of the pictures.
        pictures: number of them.
        people: boxes of one person each.
        posed: people with at least one joint.
        findings: what was left out or changed.
    """

    skeleton: Skeleton
    unused: tuple[str, ...]
    unlabelled: tuple[str, ...]
    images: Path
    pictures: int
    people: int
    posed: int
    findings: Sequence[Finding]


def convert(
    kind: Format,
    source: Source,
    output: Path,
    *,
    joints: Joints | None = None,
    description: Description | None = None,
    force: bool = False,
) -> Conversion:
    """Writes a set as a COCO file that the other verbs read.

    Args:
        kind: format of the source.
        source: what to read.
        output: file to write; nothing is left behind if the conversion fails.
        joints: `coco` for COCO's seventeen, so that the set can be mixed with others; `native` for
            the format's own; None takes COCO's for the known sets of people, and for others if
            they have those joints.
        description: of own joints.
        force: replace the file.

    Raises:
        InvalidInput: an option does not fit the format, or the output exists.
        InvalidData: the labels cannot be read.
    """
    if output.exists() and not force:
        raise InvalidInput(f"output: {output} exists; --force replaces it")
    _check_options(kind, source)
    findings = Findings()
    labels = _read(kind, source, findings)
    own = described(labels.skeleton, description or Description())
    skeleton = target_skeleton(own, joints, prefer_coco=kind not in _WITH_OWN_JOINTS)
    document = coco_document(labels, skeleton, findings)
    info = {"info": {"description": f"{source.path.name}, converted from {kind}"}}
    _write(info | document, output)
    return _conversion(labels, skeleton, document, findings)


def _check_options(kind: Format, source: Source) -> None:
    if source.split is not None and kind not in _WITH_SPLITS:
        raise InvalidInput(f"split: {kind} has no parts; only {' and '.join(_WITH_SPLITS)} have")
    given = {"category": source.categories, "keypoint_names": source.keypoint_names}
    for name, value in given.items():
        if value and kind not in _WITH_OWN_JOINTS:
            others = ", ".join(_WITH_OWN_JOINTS)
            raise InvalidInput(f"{name}: {kind} has its own, fixed ones; only {others} have others")


def _read(kind: Format, source: Source, findings: Findings) -> LabelledSet:
    if not source.path.exists():
        raise InvalidData(f"source: {source.path} does not exist")
    match kind:
        case "mpii":
            return read_mpii(source, findings)
        case "posetrack":
            return read_posetrack(source, findings)
        case "lsp":
            return read_lsp(source, findings)
        case "crowdpose":
            return read_crowdpose(source, findings)
        case "yolo-pose":
            return read_yolo_pose(source, findings)
        case "labelme":
            return read_labelme(source, findings)
        case "coco":
            return read_coco_export(source, findings)


def _write(document: dict[str, Any], output: Path) -> None:
    """In one step, so that no reader sees half of it and a failure leaves what was there."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".convert-", dir=output.parent) as scratch:
            draft = Path(scratch) / output.name
            draft.write_text(json.dumps(document), encoding="utf-8")
            draft.replace(output)
    except OSError as error:
        raise InvalidInput(f"output: cannot write {output}: {error.strerror}") from error


def _conversion(
    labels: LabelledSet, skeleton: Skeleton, document: dict[str, Any], findings: Findings
) -> Conversion:
    people = [entry for entry in document["annotations"] if not entry["iscrowd"]]
    visible = np.array([entry["keypoints"][2::3] for entry in people]).reshape(
        -1, len(skeleton.names)
    )
    seen = (visible > 0).any(axis=0)
    return Conversion(
        skeleton=skeleton,
        unused=without_place(labels.skeleton, skeleton),
        unlabelled=tuple(np.array(skeleton.names)[~seen].tolist()),
        images=labels.images,
        pictures=len(document["images"]),
        people=len(people),
        posed=sum(entry["num_keypoints"] > 0 for entry in people),
        findings=findings.listed(),
    )
