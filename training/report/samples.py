"""Sample answers beside the truth: the best, the middling and the worst of a measurement."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from service.inference.geometry import letterbox_affine, transform_points, warp
from service.inference.types import Box, Floats, Image, Size
from training.analysis.case_pictures import draw_case
from training.analysis.errors import Errors, find_errors
from training.analysis.pairs import Pairs
from training.analysis.results import Analysis
from training.analysis.worst_cases import Case, joint_kinds
from training.coco_tool import Places, match
from training.data.pictures import read_picture
from training.drawing import TRUTH, draw_boxes
from training.measure import Measurement
from training.pages.page import picture_tag

_MAX_HEIGHT_PX, _MAX_WIDTH_PX = 260, 480
_PANEL_PX = 400
# A person of whom an ear is labelled is neither a good nor a bad example.
_MIN_LABELLED = 6
_MIN_BOX_SIDE_PX = 40
_MATCHED = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer.

    Attributes:
        picture: `<img>`: the labels on the left, the answer on the right.
        caption: how alike they are, and the picture's name.
    """

    picture: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """Samples that belong together."""

    title: str
    samples: tuple[Sample, ...]


def sample_rows(measurement: Measurement, analysis: Analysis, count: int) -> tuple[SampleRow, ...]:
    """The best, middling and worst samples, as many of each; of a picture one for each row.

    For joints a sample is a person who is large enough to be seen and has enough labels, for a
    detector it is a picture with people.

    Args:
        measurement: whose answers are shown.
        analysis: of the measurement.
        count: for each row.

    Raises:
        InvalidData: a picture cannot be read.
    """
    errors = find_errors(measurement, analysis.errors.min_score)
    if errors.pairs is None or errors.kinds is None:
        scores, people = _scores_of_pictures(measurement, errors.min_score)

        def draw(place: int) -> Sample:
            return _picture_sample(measurement, place, float(scores[place]), errors.min_score)

        return _rows(_ranked(scores, people), range(len(scores)), count, draw)
    pairs, kinds = errors.pairs, errors.kinds

    def draw_person(place: int) -> Sample:
        return _person_sample(measurement, errors, pairs, kinds, place)

    annotations = measurement.data.document["annotations"]
    pictures = [annotations[place]["image_id"] for place in pairs.annotations.tolist()]
    return _rows(_ranked(_scores_of_people(pairs), pairs.sides_px), pictures, count, draw_person)


def _ranked(scores: Floats, sizes: Floats) -> dict[str, list[int]]:
    """Places in the order in which each row shows them; of equal ones the largest first.

    Places whose score is not a number are no examples.
    """
    places: list[int] = np.flatnonzero(np.isfinite(scores)).tolist()
    best = sorted(places, key=lambda place: (-scores[place], -sizes[place]))
    worst = sorted(places, key=lambda place: (scores[place], -sizes[place]))
    middle = np.median(scores[places]) if places else 0.0
    middling = sorted(best, key=lambda place: abs(scores[place] - middle))
    return {"Best": best, "Worst": worst, "Middling": middling}


def _rows(
    ranked: dict[str, list[int]],
    pictures: Sequence[int],
    count: int,
    draw: Callable[[int], Sample],
) -> tuple[SampleRow, ...]:
    """Nobody is shown twice, and no picture twice in a row."""
    taken: set[int] = set()
    rows: dict[str, SampleRow] = {}
    for title, places in ranked.items():
        free = (place for place in places if place not in taken)
        chosen = _of_different_pictures(free, pictures, count)
        taken.update(chosen)
        rows[title] = SampleRow(title, tuple(map(draw, chosen)))
    return tuple(rows[title] for title in ("Best", "Middling", "Worst") if rows[title].samples)


def _of_different_pictures(places: Iterable[int], pictures: Sequence[int], count: int) -> list[int]:
    chosen: dict[int, int] = {}
    for place in places:
        if len(chosen) == count:
            break
        chosen.setdefault(pictures[place], place)
    return list(chosen.values())


def _scores_of_people(pairs: Pairs) -> Floats:
    """The OKS of everyone who makes an example, not a number of the others."""
    least = min(_MIN_LABELLED, pairs.truth.shape[1])
    clear = (pairs.labelled.sum(axis=1) >= least) & (pairs.sides_px >= _MIN_BOX_SIDE_PX)
    return np.where(clear, pairs.oks, np.nan)


def _scores_of_pictures(measurement: Measurement, min_score: float) -> tuple[Floats, Floats]:
    """F1 of the boxes of each picture, and how many people are to be found.

    Where nobody is, F1 is not a number.
    """
    (matches,) = match(measurement.comparison, (_MATCHED,))
    images = [image["id"] for image in measurement.data.document["images"]]
    place = {image_id: number for number, image_id in enumerate(images)}
    expected, found, right = (np.zeros(len(images)) for _ in range(3))
    for index, annotation in enumerate(measurement.data.document["annotations"]):
        expected[place[annotation["image_id"]]] += matches.expected[index]
    for index, result in enumerate(measurement.results):
        if matches.counts[index] and result["score"] >= min_score:
            found[place[result["image_id"]]] += 1
            right[place[result["image_id"]]] += matches.person[index] >= 0
    f1 = 2 * right / np.maximum(expected + found, 1)
    return np.where(expected > 0, f1, np.nan), expected


def _person_sample(
    measurement: Measurement, errors: Errors, pairs: Pairs, kinds: Places, place: int
) -> Sample:
    annotation, result = int(pairs.annotations[place]), int(pairs.results[place])
    similarity = float(pairs.oks[place])
    case = Case("good", annotation, result, similarity, joint_kinds(kinds[place]))
    person = measurement.data.document["annotations"][annotation]
    image, name = _picture(measurement, person["image_id"])
    drawing = draw_case(measurement, case, image, errors.min_score)
    caption = f"OKS {similarity:.2f}, score {pairs.scores[place]:.2f}, {name}"
    return Sample(picture_tag(_for_page(drawing).pixels, name), caption)


def _picture_sample(measurement: Measurement, place: int, f1: float, min_score: float) -> Sample:
    document = measurement.data.document
    entry = document["images"][place]
    image, name = _picture(measurement, entry["id"])
    view, affine = _view(image)
    labels = zip(document["annotations"], measurement.comparison.expected, strict=True)
    people = [
        _box(annotation, affine)
        for annotation, expected in labels
        if annotation["image_id"] == entry["id"] and not expected["iscrowd"]
    ]
    found: list[dict[str, Any]] = [
        result
        for result in measurement.results
        if result["image_id"] == entry["id"] and result["score"] >= min_score
    ]
    scores = [f"{result['score']:.2f}" for result in found]
    truth = draw_boxes(view, people, colour=TRUTH)
    answer = draw_boxes(view, [_box(result, affine) for result in found], labels=scores)
    both = np.concatenate([truth.pixels, answer.pixels], axis=1)
    caption = f"F1 {f1:.2f}, people: {len(people)}, boxes: {len(found)}, {name}"
    return Sample(picture_tag(both, name), caption)


def _picture(measurement: Measurement, image_id: int) -> tuple[Image, str]:
    entry = next(one for one in measurement.data.document["images"] if one["id"] == image_id)
    path = measurement.data.picture(entry)
    return read_picture(path), path.name


def _view(image: Image) -> tuple[Image, Floats]:
    """A whole picture in a size that suits a page, and the map from its points to the view's."""
    scale = _PANEL_PX / max(image.size.height, image.size.width)
    size = Size(
        height=max(1, round(image.size.height * scale)),
        width=max(1, round(image.size.width * scale)),
    )
    affine = letterbox_affine(image.size, size)
    return Image(warp(image.pixels, affine, size)), affine


def _box(entry: dict[str, Any], affine: Floats) -> Box:
    box = Box.from_xywh(*entry["bbox"])
    corners = transform_points(np.array([[box.x0, box.y0], [box.x1, box.y1]]), affine)
    return Box(*corners.ravel().tolist())


def _for_page(image: Image) -> Image:
    """At most as large as a page shows it."""
    height, width = image.size.height, image.size.width
    scale = min(1.0, 2 * _MAX_HEIGHT_PX / height, 2 * _MAX_WIDTH_PX / width)
    size = (round(width * scale), round(height * scale))
    return Image(np.asarray(cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
