"""The worst cases as pictures in a folder, with a page and a JSON file about them."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
from markupsafe import Markup

from service.inference.errors import InvalidInput
from service.inference.render import encode_image
from service.inference.types import Image
from training.analysis.case_pictures import JOINT_COLOURS, draw_case, with_caption
from training.analysis.errors import find_errors
from training.analysis.results import JOINT_ERRORS, PERSON_ERRORS, Analysis, ErrorCounts
from training.analysis.worst_cases import Case, worst_cases
from training.data.pictures import read_picture
from training.measure import Measurement
from training.pages.page import picture_tag, render_page

_MEANING = {
    "miss": "A joint is near none of the joints in the picture.",
    "swap": "A joint is on somebody else's joint.",
    "inversion": "A joint is on the person's joint of the other side.",
    "jitter": "A joint is near where it belongs, but not there.",
    "missed_person": "A person of the truth whom no answer is about; the largest come first.",
    "background": "An answer that is about nobody of the truth, or about a person whom the labels "
    "leave out; the surest come first.",
    "duplicate": "A second answer about a person; the surest come first.",
    "poor_box": "A box that overlaps with a person by less than half.",
}
_IN_JSON = ("file", "picture", "annotation", "similarity", "score", "joints")
_ON_PAGE = 0.5


def check_folder(folder: Path) -> None:
    """Refuses a folder that something is in already.

    Raises:
        InvalidInput: it is no empty folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"save_errors: {folder} exists and is no empty folder")


def save_errors(measurement: Measurement, analysis: Analysis, folder: Path) -> None:
    """Writes `KIND/*.jpg` for each kind of error, `index.html` and `errors.json`.

    Args:
        measurement: whose pictures are drawn.
        analysis: of it; its errors decide which answers count.
        folder: new or empty.

    Raises:
        InvalidInput: the folder is not empty.
        InvalidData: a picture cannot be read.
    """
    check_folder(folder)
    errors = find_errors(measurement, analysis.errors.min_score)
    cases = worst_cases(measurement, errors)
    pictures = {image["id"]: image for image in measurement.data.document["images"]}
    sections: list[dict[str, Any]] = []
    for kind in (*reversed(JOINT_ERRORS), *PERSON_ERRORS):
        if found := cases.get(kind):
            (folder / kind).mkdir(parents=True)
            entries = [
                _save_case(measurement, case, rank, pictures, folder, errors.min_score)
                for rank, case in enumerate(found, start=1)
            ]
            sections.append({"kind": kind, "meaning": _MEANING[kind], "cases": entries})
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(measurement, analysis.errors, sections, folder / "errors.json")
    _write_page(measurement, analysis.errors, sections, folder / "index.html")


def _save_case(
    measurement: Measurement,
    case: Case,
    rank: int,
    pictures: Mapping[int, Mapping[str, Any]],
    folder: Path,
    min_score: float,
) -> dict[str, Any]:
    """Draws a case; returns what is told about it, with a smaller picture for the page."""
    annotations = measurement.data.document["annotations"]
    truth = None if case.annotation is None else annotations[case.annotation]
    answer = None if case.result is None else measurement.results[case.result]
    entry = pictures[(truth or answer or {})["image_id"]]
    path = measurement.data.picture(entry)
    caption = _caption(case, answer, "IoU" if measurement.comparison.sigmas is None else "OKS")
    drawn = draw_case(measurement, case, read_picture(path), min_score)
    file = f"{case.kind}/{rank:02}-{path.stem}.jpg"
    (folder / file).write_bytes(encode_image(with_caption(drawn, caption), "image/jpeg"))
    names = measurement.data.skeleton.names
    joints = {
        name: kind
        for name, kind in zip(names, case.joints, strict=bool(case.joints))
        if kind not in (None, "good")
    }
    return {
        "file": file,
        "picture": str(entry["file_name"]),
        "annotation": None if truth is None else truth.get("id"),
        "similarity": case.similarity,
        "score": None if answer is None else answer["score"],
        "joints": joints,
        "counts": Counter(joints.values()),
        "caption": caption,
        "tag": _thumbnail(drawn, caption),
    }


def _caption(case: Case, answer: Mapping[str, Any] | None, similarity: str) -> str:
    words = [case.kind.replace("_", " ")]
    if case.similarity is not None:
        words.append(f"{similarity} {case.similarity:.2f}")
    if answer is not None:
        words.append(f"score {answer['score']:.2f}")
    return ", ".join(words)


def _thumbnail(drawn: Image, description: str) -> Markup:
    small = cv2.resize(drawn.pixels, None, fx=_ON_PAGE, fy=_ON_PAGE, interpolation=cv2.INTER_AREA)
    return picture_tag(small.astype("uint8"), description)


def _write_json(
    measurement: Measurement,
    errors: ErrorCounts,
    sections: Sequence[Mapping[str, Any]],
    path: Path,
) -> None:
    evaluation = measurement.evaluation
    cases = [
        {"kind": section["kind"]} | {key: one[key] for key in _IN_JSON}
        for section in sections
        for one in section["cases"]
    ]
    document = {
        "model": evaluation.model,
        "data": evaluation.data,
        "boxes": evaluation.boxes,
        **dataclasses.asdict(errors),
        "cases": cases,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _write_page(
    measurement: Measurement,
    errors: ErrorCounts,
    sections: Sequence[Mapping[str, Any]],
    path: Path,
) -> None:
    colours = {kind: "#{:02x}{:02x}{:02x}".format(*rgb) for kind, rgb in JOINT_COLOURS.items()}
    values = {
        "title": f"Errors of {measurement.evaluation.model}",
        "evaluation": measurement.evaluation,
        "similarity": "IoU" if measurement.comparison.sigmas is None else "OKS",
        "errors": errors,
        "sections": sections,
        "drawn": [section["kind"] for section in sections],
        "colours": colours,
    }
    path.write_text(render_page("errors.html", values), encoding="utf-8")
