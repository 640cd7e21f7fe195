"""How well people keep their numbers, and how much their joints tremble, on clips of known truth.

`python -m benchmarks.tracking --data ANNOTATIONS:IMAGES` makes clips out of the pictures, writes
them as videos, reads them back, asks the shipped pipeline once for each frame, and follows what it
found in several ways, so that all of them see the same people.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict

from benchmarks.moving_crops import FPS, HEIGHT, WIDTH, Made, Truth, make_clips
from service.inference.card import Skeleton
from service.inference.cores import available_cores
from service.inference.errors import InvalidInput, PoseError
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.oks import joint_similarities
from service.inference.repository import load_pipeline
from service.inference.tracking.association import assign, match
from service.inference.tracking.following import Following
from service.inference.tracking.tracker import Tracked
from service.inference.types import Box, Floats, Person
from service.inference.validation import first_problem
from service.inference.video.reader import VideoLimits, VideoReader

_SAME_OKS = 0.3
"""From here on somebody found is somebody who is there."""
_LEAST_IOU = 0.3

Update = Callable[[Sequence[Person], float], Sequence[Tracked]]


class TrackingBenchSettings(BaseSettings):
    """Measures identities and trembling on clips made of real pictures."""

    model_config = SettingsConfigDict(
        cli_prog_name="python -m benchmarks.tracking", cli_kebab_case=True
    )

    data: str = Field(description="COCO keypoints and pictures, annotations.json:images.")
    models_dir: Path = Field(default=Path("models"), description="Folder of the bundles.")
    crossings: int = Field(default=6, ge=0, description="Clips of people who cross each other.")
    pans: int = Field(default=4, ge=0, description="Clips of a camera that moves and shakes.")
    seed: int = Field(default=1, description="Of all choices.")
    keep: Path | None = Field(default=None, description="Folder in which to leave the clips.")


@dataclass(slots=True)
class Score:
    """What became of all people of all clips."""

    switches: int = 0
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    truths: int = 0
    tracked: int = 0
    same: int = 0
    oks: list[float] = field(default_factory=list[float])
    tremble_px: list[float] = field(default_factory=list[float])
    lag_px: list[float] = field(default_factory=list[float])
    seconds: float = 0.0
    frames: int = 0

    @property
    def id_f1(self) -> float:
        """IDF1 (Ristani et al. 2016)."""
        return 2 * self.same / max(1, self.truths + self.tracked)


class LastOverlap:
    """The plainest tracker: the box that overlaps most with one of the last frame. No more."""

    def __init__(self) -> None:
        self._last: list[tuple[int, Box]] = []
        self._begun = 0

    def update(self, persons: Sequence[Person], _time_s: float) -> list[Tracked]:
        overlaps = np.array(
            [[_iou(box, person.box) for person in persons] for _, box in self._last]
        ).reshape(len(self._last), len(persons))
        ids = {column: self._last[row][0] for row, column in match(overlaps, _LEAST_IOU)}
        for at in range(len(persons)):
            if at not in ids:
                self._begun += 1
                ids[at] = self._begun
        self._last = [(ids[at], person.box) for at, person in enumerate(persons)]
        return [Tracked(person, ids[at]) for at, person in enumerate(persons)]


def main() -> int:
    """Prints a line for each way of following; 2 for wrong input."""
    try:
        settings = CliApp.run(TrackingBenchSettings)
        run(settings)
    except ValidationError as error:
        print(f"error: {first_problem(error)}", file=sys.stderr)
        return 2
    except PoseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(settings: TrackingBenchSettings) -> None:
    """Makes the clips, finds people once, follows them in each way."""
    annotations, separator, images = settings.data.partition(":")
    if not separator or not Path(annotations).is_file():
        raise InvalidInput(f"--data is {settings.data!r}; expected annotations.json:images")
    execution = Execution(device="cpu", threads=available_cores())
    estimator = load_pipeline(settings.models_dir, "default", execution)
    scores: dict[str, Score] = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = make_clips(
            Path(annotations), Path(images), settings.crossings, settings.pans, settings.seed
        )
        for clip in clips:
            found = _find(estimator, clip, settings.keep or Path(folder))
            for name, update in _ways(estimator).items():
                score = scores.setdefault(name, Score())
                before = score.switches
                _follow(clip, found, update, estimator.skeleton, score)
                print(f"{clip.name:12} {name:34} switches {score.switches - before}", flush=True)
    _print(scores)


def _ways(estimator: PoseEstimator) -> dict[str, Update]:
    least, skeleton = estimator.min_person_score, estimator.skeleton
    plain = Following(skeleton, min_person_score=least, smooth=False)
    smooth = Following(skeleton, min_person_score=least)
    return {
        "overlap with the last frame": LastOverlap().update,
        "tracked, not smoothed": plain.update,
        "tracked and smoothed (default)": smooth.update,
    }


def _find(
    estimator: PoseEstimator, clip: Made, folder: Path
) -> list[tuple[float, Sequence[Person]]]:
    """Through a real file, so that the codec's noise is in it too."""
    path = folder / f"{clip.name.replace(' ', '-')}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, FPS, (WIDTH, HEIGHT))
    for frame in clip.frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    limits = VideoLimits(
        max_bytes=sys.maxsize, max_frames=10_000, max_seconds=1000.0, max_pixels=10**7
    )
    with VideoReader(path, limits) as reader:
        return [(frame.time_s, estimator.predict(frame.image).persons) for frame in reader]


def _follow(
    clip: Made,
    found: Sequence[tuple[float, Sequence[Person]]],
    update: Update,
    skeleton: Skeleton,
    score: Score,
) -> None:
    """Adds a clip to a score."""
    sigmas = np.array(skeleton.sigmas)
    last_id: dict[int, int] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    paths: dict[int, dict[int, tuple[Floats, Truth]]] = {}
    tracked_count, truth_count = 0, 0
    for number, (time_s, persons) in enumerate(found):
        started = time.perf_counter()
        tracked = update(persons, time_s)
        score.seconds += time.perf_counter() - started
        score.frames += 1
        truths = clip.truths[number]
        truth_count += len(truths)
        tracked_count += sum(one.track_id is not None for one in tracked)
        # Who is who is judged by what the networks found, the same for all ways.
        for row, column in _pair(truths, persons, sigmas):
            truth, one = truths[row], tracked[column]
            score.oks.append(_oks(truth, _joints(one.person), sigmas))
            paths.setdefault(truth.number, {})[number] = (_joints(one.person), truth)
            if one.track_id is None:
                continue
            pairs[truth.number, one.track_id] += 1
            if last_id.get(truth.number, one.track_id) != one.track_id:
                score.switches += 1
            last_id[truth.number] = one.track_id
    score.truths += truth_count
    score.tracked += tracked_count
    score.same += _same(pairs)
    for path in paths.values():
        _tremble(path, score)


def _pair(
    truths: Sequence[Truth], persons: Sequence[Person], sigmas: Floats
) -> list[tuple[int, int]]:
    """Who of those there was found, by how alike they are."""
    alike = np.array(
        [[_oks(truth, _joints(person), sigmas) for person in persons] for truth in truths]
    ).reshape(len(truths), len(persons))
    return match(alike, _SAME_OKS)


def _same(pairs: Counter[tuple[int, int]]) -> int:
    """Frames in which people have the number that is theirs, if each person has one."""
    if not pairs:
        return 0
    people = sorted({person for person, _ in pairs})
    numbers = sorted({number for _, number in pairs})
    table = np.array([[pairs[person, number] for number in numbers] for person in people])
    return int(sum(table[row, column] for row, column in assign(-table.astype(np.float64))))


def _tremble(path: dict[int, tuple[Floats, Truth]], score: Score) -> None:
    """How far the joints' accelerations are from the true ones, and the joints themselves."""
    for number in path:
        if not {number - 1, number + 1} <= path.keys():
            continue
        (before, old), (now, truth), (after, new) = (path[number + step] for step in (-1, 0, 1))
        labelled = truth.joints[:, 2] > 0
        found = before - 2 * now + after
        true = (old.joints - 2 * truth.joints + new.joints)[:, :2]
        score.tremble_px += np.linalg.norm(found - true, axis=1)[labelled].tolist()
        score.lag_px += np.linalg.norm(now - truth.joints[:, :2], axis=1)[labelled].tolist()


def _oks(truth: Truth, joints: Floats, sigmas: Floats) -> float:
    alike = joint_similarities(truth.joints[:, :2], joints, np.array(truth.area), sigmas)
    return float(alike[truth.joints[:, 2] > 0].mean())


def _joints(person: Person) -> Floats:
    return np.array([(joint.x, joint.y) for joint in person.keypoints])


def _iou(one: Box, other: Box) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)


def _print(scores: dict[str, Score]) -> None:
    head = ("switches", "IDF1", "tremble px/frame2", "median", "error px", "OKS", "ms per frame")
    print(f"\n{'':32}" + "".join(f"{name:>19}" for name in head))
    for name, score in scores.items():
        values = (
            f"{score.switches}",
            f"{score.id_f1:.3f}",
            f"{np.mean(score.tremble_px):.2f}",
            f"{np.median(score.tremble_px):.2f}",
            f"{np.mean(score.lag_px):.2f}",
            f"{np.mean(score.oks):.3f}",
            f"{1000 * score.seconds / max(1, score.frames):.2f}",
        )
        print(f"{name:32}" + "".join(f"{value:>19}" for value in values))


if __name__ == "__main__":
    sys.exit(main())
