"""From a picture to its people: detect, crop, find joints, map them back.

ONNX Runtime is not known here: the two networks come as `Session`s. The steps are separate, so that
the crops of several pictures can share one run of the keypoint network.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from service.inference.card import ModelCard, Skeleton
from service.inference.errors import InvalidBundle, InvalidInput
from service.inference.geometry import (
    affine_scale,
    best_fit,
    clip_box,
    compose_affines,
    crop_affine,
    crop_scale,
    invert_affine,
    letterbox_affine,
    transform_points,
    warp,
)
from service.inference.oks import distinct
from service.inference.session import Session
from service.inference.types import (
    MAX_PERSONS,
    Box,
    Floats,
    Image,
    Keypoint,
    Person,
    Pixels,
    Size,
)

Candidate = tuple[float, Box]
"""A detector's score in 0..1 and where a person may be, in pixels of the picture."""

_DUPLICATE_OKS = 0.9
_SEEN_JOINT_SCORE = 0.2
# Bounds the memory of one run; a CPU gains nothing from more.
_CROPS_PER_RUN = 16
# Times the pixels that the detector needs, along a line: with two its boxes already move by a pixel
# of the crop.
_DETECTION_ROOM = 3.0
# Times the threshold, at most a half: in `coco/val` 9 of 10 boxes above it are answered, and 3 of
# 20 below.
_SURE, _SURE_ENOUGH = 2.5, 0.5


@dataclass(frozen=True, slots=True)
class Prediction:
    """The people in a picture, best first, and the seconds that each step took.

    Attributes:
        persons: best first.
        detect_s: of finding boxes.
        keypoints_s: of finding joints in them.
        decode_s: of getting finer pixels in between.
    """

    persons: tuple[Person, ...]
    detect_s: float
    keypoints_s: float
    decode_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PoseEstimator:
    """A detector and a keypoint network that work together; may be used by many threads at once.

    Attributes:
        name: of the pipeline.
        detector: network of task `detection`.
        keypoints: network of task `keypoints`.
        min_person_score: people below are left out unless a call says otherwise.
        min_box_score: boxes below are not looked at unless a call names a score for people; None
            looks at all that may hold somebody who is good enough.
    """

    name: str
    detector: Session
    keypoints: Session
    min_person_score: float
    min_box_score: float | None = None

    @property
    def skeleton(self) -> Skeleton:
        """The names and edges of the joints that `predict` finds."""
        return _crop_rule(self.keypoints.card)[0]

    def needed_scale(self, stored: Size, boxes: Sequence[Box] | None = None) -> float:
        """How finely to decode a picture for `predict`: pixels for one of its own, along a line.

        Args:
            stored: its size, upright or not.
            boxes: of the people; unless given, what the detector needs, with some room.
        """
        if boxes is not None:
            return self._crop_scale(boxes)
        either_way = (stored, Size(height=stored.width, width=stored.height))
        return _DETECTION_ROOM * max(affine_scale(self._letterbox(one)[0]) for one in either_way)

    def predict(
        self,
        image: Image,
        *,
        boxes: Sequence[Box] | None = None,
        max_persons: int = MAX_PERSONS,
        min_person_score: float | None = None,
        finer: Callable[[float], Image] | None = None,
    ) -> Prediction:
        """Finds the people in a picture and their joints.

        A person's score is the mean score of the joints above 0.2, times the detector's score. Of
        two found people with the same joints one is kept.

        Args:
            image: upright; may be reduced.
            boxes: of the people, in pixels of the picture; the detector is then not asked.
            max_persons: the best boxes that are looked at.
            min_person_score: in 0..1; people below are left out; None takes the pipeline's, and
                keeps everyone where `boxes` are given.
            finer: decodes the picture again with at least so many pixels for one of its own; asked
                if a person would otherwise be answered from reduced pixels that were enlarged.

        Returns:
            People best first, their boxes clipped to the picture; joints may lie outside of it.

        Raises:
            InvalidInput: an argument is out of range, or a box is empty or outside the picture.
        """
        threshold = self._threshold(min_person_score, boxes)
        _check_limits(max_persons, threshold)
        started = time.perf_counter()
        if boxes is None:
            # A person scores at most what the box scores.
            least = threshold if min_person_score is not None else self.min_box_score or threshold
            good = [found for found in self.detect(image) if found[0] >= least]
            candidates = good[:max_persons]
        else:
            candidates = _given(boxes, image.size, max_persons)
        detected = time.perf_counter()
        if finer is None:
            persons, decode_s = self.pose(image, candidates), 0.0
        else:
            persons, decode_s = self._pose_sharply(image, candidates, threshold, finer)
        if boxes is None:
            persons = _without_duplicates(persons, self.skeleton)
        best = tuple(person for person in persons if person.score >= threshold)
        return Prediction(
            best,
            detect_s=detected - started,
            keypoints_s=time.perf_counter() - detected - decode_s,
            decode_s=decode_s,
        )

    def _threshold(self, asked: float | None, boxes: Sequence[Box] | None) -> float:
        if asked is not None:
            return asked
        return self.min_person_score if boxes is None else 0.0

    def _pose_sharply(
        self,
        image: Image,
        candidates: Sequence[Candidate],
        threshold: float,
        finer: Callable[[float], Image],
    ) -> tuple[list[Person], float]:
        """As `pose`, with finer pixels for whoever is to be answered and would be seen enlarged.

        To look at somebody twice is quicker than to decode a large picture again, so it is only
        decoded again at once for those who will most likely be answered.

        Returns:
            The people, and the seconds that finer pixels took.
        """
        sure = min(_SURE * threshold, _SURE_ENOUGH)
        blurred = self._blurred(image, [found for found in candidates if found[0] >= sure])
        image, first_s = self._sharpened(image, blurred, finer)
        persons = self.pose(image, candidates)
        answered = {person.box for person in persons if person.score >= threshold}
        blurred = self._blurred(image, [found for found in candidates if found[1] in answered])
        if not blurred:
            return persons, first_s
        image, second_s = self._sharpened(image, blurred, finer)
        again = {box for _, box in blurred}
        persons = [person for person in persons if person.box not in again]
        persons += self.pose(image, blurred)
        return sorted(persons, key=lambda person: -person.score), first_s + second_s

    def _blurred(self, image: Image, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those whose crops would be enlarged from reduced pixels."""
        if image.reduction is None:
            return []
        return [found for found in candidates if self._crop_scale([found[1]]) > image.scale]

    def _sharpened(
        self, image: Image, blurred: Sequence[Candidate], finer: Callable[[float], Image]
    ) -> tuple[Image, float]:
        """The picture in which nobody is blurred any more, and the seconds that it took."""
        if not blurred:
            return image, 0.0
        started = time.perf_counter()
        image = finer(self._crop_scale([box for _, box in blurred]))
        return image, time.perf_counter() - started

    def _crop_scale(self, boxes: Sequence[Box]) -> float:
        """Pixels that the finest crop needs for one of the picture's; 0 for no boxes."""
        size = self.keypoints.card.input.size
        _, padding = _crop_rule(self.keypoints.card)
        return max((crop_scale(box, size, padding) for box in boxes), default=0.0)

    def detect(self, image: Image) -> list[Candidate]:
        """Where people may be, best first; boxes are clipped to the picture."""
        affine, size = self._letterbox(image.size)
        answer = self.detector.run(_view(image, affine, size)[np.newaxis])
        corners = transform_points(answer["boxes"][0].reshape(-1, 2, 2), invert_affine(affine))
        candidates: list[Candidate] = []
        for score, box in zip(answer["scores"][0].tolist(), corners.tolist(), strict=True):
            clipped = clip_box(Box(*box[0], *box[1]), image.size)
            # Slots that the detector did not need have a score of zero.
            if score > 0 and clipped.width > 0 and clipped.height > 0:
                candidates.append((min(score, 1.0), clipped))
        return sorted(candidates, key=lambda candidate: -candidate[0])

    def _letterbox(self, image: Size) -> tuple[Floats, Size]:
        """How the detector sees a picture: the map to its input, and the size of that."""
        size = best_fit(image, self.detector.card.sizes)
        return letterbox_affine(image, size), size

    def pose(self, image: Image, candidates: Sequence[Candidate]) -> list[Person]:
        """The joints of candidates in a picture, best person first."""
        if not candidates:
            return []
        crops, affines = self.crops(image, [box for _, box in candidates])
        return self.persons(candidates, self.joints(crops), affines)

    def crops(self, image: Image, boxes: Sequence[Box]) -> tuple[Pixels, Floats]:
        """What the keypoint network looks at.

        Returns:
            Crops, uint8 `[N, H, W, 3]`, and the maps from picture to crop points, `[N, 2, 3]`.
        """
        size = self.keypoints.card.input.size
        _, padding = _crop_rule(self.keypoints.card)
        affines = [crop_affine(box, size, padding) for box in boxes]
        return np.stack([_view(image, affine, size) for affine in affines]), np.stack(affines)

    def joints(self, crops: Pixels) -> Floats:
        """Runs the keypoint network: N crops to `[N, K, 3]`, x and y in crop pixels, score."""
        starts = range(0, len(crops), _CROPS_PER_RUN)
        parts = [self.keypoints.run(crops[start : start + _CROPS_PER_RUN]) for start in starts]
        return np.concatenate([part["keypoints"] for part in parts])

    def persons(
        self, candidates: Sequence[Candidate], joints: Floats, affines: Floats
    ) -> list[Person]:
        """Maps joints back to the picture; best person first.

        Args:
            candidates: N.
            joints: `[N, K, 3]`, x and y in crop pixels, score.
            affines: `[N, 2, 3]`, from picture to crop points.
        """
        names = self.skeleton.names
        persons = [
            _person(candidate, names, rows, invert_affine(affine))
            for candidate, rows, affine in zip(candidates, joints, affines, strict=True)
        ]
        return sorted(persons, key=lambda person: -person.score)


def _view(image: Image, affine: Floats, size: Size) -> Pixels:
    """What a map from picture points shows of a picture that may be reduced, `[H, W, 3]`."""
    return warp(image.pixels, compose_affines(affine, image.to_picture), size)


def _person(candidate: Candidate, names: Sequence[str], rows: Floats, to_picture: Floats) -> Person:
    score, box = candidate
    points = transform_points(rows[:, :2], to_picture).tolist()
    # Peaks of a heatmap may exceed 1 a little.
    scores = np.clip(rows[:, 2], 0, 1).tolist()
    keypoints = tuple(
        Keypoint(name, x, y, joint_score)
        for name, (x, y), joint_score in zip(names, points, scores, strict=True)
    )
    return Person(score * _pose_score(scores), box, keypoints)


def _pose_score(scores: Sequence[float]) -> float:
    """The mean over the joints that were seen, so that half a person in view is no worse a find.

    Source: the rescoring of Xiao et al. 2018 (SimpleBaseline), in common use since.
    """
    seen = [score for score in scores if score > _SEEN_JOINT_SCORE]
    return sum(seen) / len(seen) if seen else sum(scores) / len(scores)


def _without_duplicates(persons: Sequence[Person], skeleton: Skeleton) -> list[Person]:
    if len(persons) < 2:
        return list(persons)
    poses = np.array([[(joint.x, joint.y) for joint in person.keypoints] for person in persons])
    areas = [person.box.width * person.box.height for person in persons]
    kept = distinct(poses, areas, np.array(skeleton.sigmas), _DUPLICATE_OKS)
    return [persons[index] for index in kept]


def _given(boxes: Sequence[Box], image: Size, max_persons: int) -> list[Candidate]:
    """A caller's boxes as candidates that are certain, clipped to the picture."""
    if len(boxes) > max_persons:
        raise InvalidInput(
            f"boxes has {len(boxes)} entries; expected at most max_persons = {max_persons}"
        )
    return [(1.0, _checked(index, box, image)) for index, box in enumerate(boxes)]


def _checked(index: int, box: Box, image: Size) -> Box:
    corners = (box.x0, box.y0, box.x1, box.y1)
    if not all(math.isfinite(value) for value in corners) or box.width <= 0 or box.height <= 0:
        raise InvalidInput(
            f"boxes[{index}] has the corners {corners}; "
            "expected finite numbers, and width and height above 0"
        )
    clipped = clip_box(box, image)
    if clipped.width <= 0 or clipped.height <= 0:
        raise InvalidInput(
            f"boxes[{index}] has the corners {corners}; "
            f"expected a box inside the picture of {image.width} x {image.height} pixels"
        )
    return clipped


def _check_limits(max_persons: int, min_person_score: float) -> None:
    if max_persons < 1:
        raise InvalidInput(f"max_persons is {max_persons}; expected at least 1")
    if not 0 <= min_person_score <= 1:
        raise InvalidInput(f"min_person_score is {min_person_score}; expected a number in 0..1")


def _crop_rule(card: ModelCard) -> tuple[Skeleton, float]:
    if card.skeleton is None or card.crop_padding is None:
        raise InvalidBundle(f"{card.reference} has task {card.task}; expected keypoints")
    return card.skeleton, card.crop_padding
