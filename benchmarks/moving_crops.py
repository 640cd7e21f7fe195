"""Clips of known truth: people cut out of real pictures who walk, and real pictures panned over.

Every frame's joints are those of the annotations under the same map as the pixels, so the truth is
as good as the annotators.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from service.inference.errors import InvalidData
from service.inference.geometry import transform_points
from service.inference.types import Floats, Pixels
from training.skeletons import COCO as COCO_SKELETON

WIDTH, HEIGHT, FPS = 640, 480, 25
FRAMES = 75
_LEAST_JOINTS, _LEAST_HEIGHT_PX = 13, 200
_MOST_COVERED = 0.15
_NOISE = 5.0
_SHAKE_PX = 2.0
_POLE_PX = 46

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Truth:
    """Somebody in a frame.

    Attributes:
        number: of the person in the clip.
        joints: `[K, 3]`, x, y in pixels of the frame and whether it was labelled.
        box: corners `[4]`.
        area: in square pixels, as OKS counts it.
    """

    number: int
    joints: Floats
    box: Floats
    area: float


@dataclass(frozen=True, slots=True)
class Made:
    """A clip: its frames, RGB uint8 `[H, W, 3]`, and who is in each of them."""

    name: str
    frames: list[Pixels]
    truths: list[list[Truth]]


@dataclass(frozen=True, slots=True)
class _Cutout:
    """A person out of a picture: RGB and opacity `[H, W, 4]`, joints `[K, 3]` in its pixels."""

    pixels: Pixels
    joints: Floats
    area: float


def make_clips(
    annotations: Path, images: Path, crossings: int, pans: int, seed: int
) -> Iterator[Made]:
    """Clips of both kinds, the same ones for the same seed.

    Args:
        annotations: COCO keypoint annotations.
        images: folder of the pictures.
        crossings: clips in which three people walk past each other, every other one with a pole
            that hides them.
        pans: clips that move, zoom and shake over a picture with several people.
        seed: of all choices.
    """
    rng = np.random.default_rng(seed)
    document = json.loads(annotations.read_text())
    people: dict[int, list[Record]] = defaultdict(list)
    for record in document["annotations"]:
        people[record["image_id"]].append(record)
    pictures = [one for one in document["images"] if (images / one["file_name"]).exists()]
    whole = _whole_people(pictures, people)
    crowds = [one for one in pictures if _labelled(people[one["id"]]) >= 2]
    for index in range(crossings):
        chosen = _choose(rng, len(whole), 3)
        cutouts = [_cutout(_read(images / whole[at][0]), whole[at][1]) for at in chosen]
        background = _read(images / pictures[int(rng.integers(len(pictures)))]["file_name"])
        yield _crossing(f"crossing {index}", cutouts, background, rng, pole=index % 2 == 1)
    for index, at in enumerate(_choose(rng, len(crowds), pans)):
        picture = crowds[at]
        pixels = _read(images / picture["file_name"])
        yield _pan(f"pan {index}", pixels, people[picture["id"]], rng)


def _crossing(
    name: str,
    cutouts: Sequence[_Cutout],
    background: Pixels,
    rng: np.random.Generator,
    *,
    pole: bool,
) -> Made:
    """People who walk from one side to the other, in turns from the left and from the right."""
    # Blurred beyond recognition: whoever was in that picture is nobody here.
    blurred = cv2.GaussianBlur(cv2.resize(background, (WIDTH, HEIGHT)), (0, 0), 25)
    scene = blurred.astype(np.uint8, copy=False)
    walks = [_Walk.random(at, one, rng) for at, one in enumerate(cutouts)]
    frames: list[Pixels] = []
    truths: list[list[Truth]] = []
    for number in range(FRAMES):
        canvas = scene.copy()
        here: list[Truth] = []
        for at, (walk, cutout) in enumerate(zip(walks, cutouts, strict=True)):
            affine = walk.affine(number)
            _paste(canvas, cutout.pixels, affine)
            here.append(_truth(at, cutout.joints, affine, cutout.area))
        if pole:
            left = (WIDTH - _POLE_PX) // 2
            canvas[:, left : left + _POLE_PX] = (70, 66, 60)
        frames.append(_noisy(canvas, rng))
        truths.append([truth for truth in here if _is_inside(truth)])
    return Made(name, frames, truths)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where a person is in each frame: even steps, with the bob of walking."""

    start: float
    step: float
    height: float
    bottom: float
    phase: float
    cutout: _Cutout

    @classmethod
    def random(cls, at: int, cutout: _Cutout, rng: np.random.Generator) -> "_Walk":
        direction = 1 if at % 2 == 0 else -1
        across = float(rng.uniform(0.75, 1.0)) * WIDTH
        return cls(
            start=WIDTH / 2 - direction * across / 2,
            step=direction * across / FRAMES,
            height=float(rng.uniform(0.5, 0.75)) * HEIGHT,
            bottom=float(rng.uniform(0.88, 0.98)) * HEIGHT,
            phase=float(rng.uniform(0, 2 * np.pi)),
            cutout=cutout,
        )

    def affine(self, number: int) -> Floats:
        """From points of the cut-out to points of the frame."""
        height, width = self.cutout.pixels.shape[:2]
        grown = 1 + 0.1 * np.sin(2 * np.pi * number / FRAMES)
        scale = self.height * grown / height
        bob = 3 * np.sin(2 * np.pi * 1.8 * number / FPS + self.phase)
        x = self.start + self.step * number - scale * width / 2
        y = self.bottom + bob - scale * height
        return np.array([[scale, 0, x], [0, scale, y]])


def _pan(name: str, pixels: Pixels, records: Sequence[Record], rng: np.random.Generator) -> Made:
    """A camera that moves over a picture and shakes."""
    height, width = pixels.shape[:2]
    direction = rng.uniform(0, 2 * np.pi)
    frames: list[Pixels] = []
    truths: list[list[Truth]] = []
    for number in range(FRAMES):
        swing = 2 * np.pi * number / FRAMES
        zoom = 1.25 + 0.15 * np.sin(swing)
        scale = zoom * max(WIDTH / width, HEIGHT / height)
        room = np.array([width * scale - WIDTH, height * scale - HEIGHT]) / 2
        way = np.array([np.cos(direction), np.sin(direction)]) * np.sin(swing)
        offset = -room + 0.9 * room * way + rng.normal(0, _SHAKE_PX, 2)
        affine = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        shown = cv2.warpAffine(pixels, affine, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        frames.append(_noisy(cast("Pixels", shown), rng))
        here = [
            _truth(at, _joints(one), affine, float(one["area"]))
            for at, one in enumerate(records)
            if one["num_keypoints"] > 0
        ]
        truths.append([truth for truth in here if _is_inside(truth)])
    return Made(name, frames, truths)


def _truth(number: int, joints: Floats, affine: Floats, area: float) -> Truth:
    moved = joints.copy()
    moved[:, :2] = transform_points(joints[:, :2], affine)
    labelled = moved[moved[:, 2] > 0]
    corners = np.concatenate([labelled[:, :2].min(0), labelled[:, :2].max(0)])
    return Truth(number, moved, corners, area * float(affine[0, 0]) ** 2)


def _is_inside(truth: Truth) -> bool:
    """Whether half of the labelled joints are in the frame."""
    labelled = truth.joints[truth.joints[:, 2] > 0]
    inside = (labelled[:, 0] > 0) & (labelled[:, 0] < WIDTH)
    inside &= (labelled[:, 1] > 0) & (labelled[:, 1] < HEIGHT)
    return bool(inside.mean() >= 0.5)


def _noisy(canvas: Pixels, rng: np.random.Generator) -> Pixels:
    """With the noise of a sensor, different in each frame."""
    noise = rng.normal(0, _NOISE, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _paste(canvas: Pixels, cutout: Pixels, affine: Floats) -> None:
    moved = cv2.warpAffine(cutout, affine, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    opacity = moved[..., 3:].astype(np.float32) / 255
    blended = moved[..., :3] * opacity + canvas * (1 - opacity)
    canvas[:] = blended.astype(np.uint8)


def _whole_people(
    pictures: Sequence[Record], people: dict[int, list[Record]]
) -> list[tuple[str, Record]]:
    """Large people with nobody in front of them, with the names of their pictures."""
    return [
        (picture["file_name"], record)
        for picture in pictures
        for record in people[picture["id"]]
        if record["bbox"][3] >= _LEAST_HEIGHT_PX
        and record["num_keypoints"] >= _LEAST_JOINTS
        and not record["iscrowd"]
        and all(_covered(record, other) < _MOST_COVERED for other in people[picture["id"]])
    ]


def _covered(record: Record, other: Record) -> float:
    """How much of a person's box lies in another's."""
    if record["id"] == other["id"]:
        return 0.0
    (x, y, width, height), (u, v, wide, high) = record["bbox"], other["bbox"]
    shared = max(0.0, min(x + width, u + wide) - max(x, u))
    return shared * max(0.0, min(y + height, v + high) - max(y, v)) / (width * height)


def _cutout(pixels: Pixels, record: Record) -> _Cutout:
    """Cuts somebody out along the edges in the picture: where the joints are, is surely somebody.

    Source: Rother, Kolmogorov and Blake 2004 ("GrabCut").
    """
    x, y, width, height = record["bbox"]
    mask = np.full(pixels.shape[:2], cv2.GC_BGD, np.uint8)
    inside = (slice(max(0, int(y)), int(y + height)), slice(max(0, int(x)), int(x + width)))
    mask[inside] = cv2.GC_PR_BGD
    joints = _joints(record)
    for thickness, label in ((0.16, cv2.GC_PR_FGD), (0.05, cv2.GC_FGD)):
        for start, end in COCO_SKELETON.edges:
            if joints[start, 2] and joints[end, 2]:
                ends = [(int(at[0]), int(at[1])) for at in (joints[start], joints[end])]
                cv2.line(mask, ends[0], ends[1], int(label), max(2, round(thickness * height)))
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    # With a mask, the rectangle says nothing.
    cv2.grabCut(pixels, mask, (0, 0, 1, 1), *models, 4, cv2.GC_INIT_WITH_MASK)
    opaque = np.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    # A soft edge: a hard one would be the easiest thing to see in the picture.
    soft = cv2.GaussianBlur(opaque, (0, 0), 1.5)
    rgba = np.dstack([pixels, soft])[inside].astype(np.uint8)
    joints[:, :2] -= (inside[1].start, inside[0].start)
    return _Cutout(rgba, joints, float(record["area"]))


def _joints(record: Record) -> Floats:
    joints = np.array(record["keypoints"], np.float64).reshape(-1, 3)
    # COCO's points are pixels' indices; here the first pixel's centre is at 0.5.
    joints[:, :2] += 0.5
    joints[:, 2] = joints[:, 2] > 0
    return joints


def _labelled(records: Sequence[Record]) -> int:
    return sum(
        one["num_keypoints"] >= 8 and one["bbox"][3] >= 100 and not one.get("iscrowd", 0)
        for one in records
    )


def _read(path: Path) -> Pixels:
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise InvalidData(f"{path} cannot be read; expected a picture")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _choose(rng: np.random.Generator, among: int, count: int) -> list[int]:
    """Some of so many, none twice.

    Raises:
        InvalidData: there are not enough.
    """
    if count > among:
        raise InvalidData(f"the data have {among} people or pictures to choose; expected {count}")
    return cast("list[int]", rng.choice(among, count, replace=False).tolist())
