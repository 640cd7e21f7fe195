"""A video from file to people, a frame at a time: each is a piece of work of its own."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from service.inference.estimator import PoseEstimator, Prediction
from service.inference.tracking.following import Following
from service.inference.tracking.tracker import Tracked
from service.inference.types import MAX_PERSONS, Image
from service.inference.video.reader import VideoInfo, VideoLimits, VideoReader


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What is asked about a video.

    Attributes:
        max_persons: the most people to answer in a frame.
        min_person_score: people below it are left out; None takes the pipeline's.
        track: number people.
        smooth: smooth the joints of those.
        every: n answers every n-th frame.
        max_frames: the most frames to answer; None answers all.
    """

    max_persons: int = MAX_PERSONS
    min_person_score: float | None = None
    track: bool = True
    smooth: bool = True
    every: int = 1
    max_frames: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A frame and who is in it.

    Attributes:
        index: from 0, counted over all frames of the file.
        time_s: since the first frame.
        image: upright.
        tracked: its people, best first.
        stages_s: seconds of decode, detect and keypoints.
    """

    index: int
    time_s: float
    image: Image
    tracked: list[Tracked]
    stages_s: dict[str, float]


class Clip:
    """A video that is being answered; may be closed at any time.

    Args:
        path: of the file, which may be deleted as soon as this is made.
        estimator: finds people.
        limits: on the file and its frames.
        options: what is asked.

    Raises:
        VideoTooLarge, InvalidVideo: as `VideoReader`.
    """

    def __init__(
        self, path: Path, estimator: PoseEstimator, limits: VideoLimits, options: ClipOptions
    ) -> None:
        self._estimator = estimator
        self._options = options
        self._reader = VideoReader(path, limits, every=options.every, max_frames=options.max_frames)
        self._following = following(estimator, options)
        self._answered = 0

    @property
    def info(self) -> VideoInfo:
        return self._reader.info

    @property
    def ended(self) -> bool:
        """Whether all frames have been answered."""
        return self._reader.ended

    @property
    def answered(self) -> int:
        """Frames so far."""
        return self._answered

    @property
    def frames_read(self) -> int:
        """Frames of the file so far, also those left out."""
        return self._reader.frames_read

    @property
    def seconds(self) -> float:
        """Time of the last frame that was read."""
        return self._reader.time_s

    @property
    def tracks(self) -> int | None:
        """People that were numbered; None where nobody is."""
        return self._following.tracks

    def step(self) -> Answered | None:
        """Answers the next frame; None at the end, and now and then between two wanted ones.

        Raises:
            VideoTooLarge, InvalidVideo: as `VideoReader.read`.
            PoseError: a network failed, or nobody waits any more.
        """
        started = perf_counter()
        frame = self._reader.read()
        decode_s = perf_counter() - started
        if frame is None:
            return None
        prediction = self._estimator.predict(
            frame.image,
            max_persons=self._options.max_persons,
            min_person_score=self._options.min_person_score,
        )
        tracked = self._following.update(prediction.persons, frame.time_s)
        self._answered += 1
        return Answered(
            frame.index, frame.time_s, frame.image, tracked, _stages_s(prediction, decode_s)
        )

    def close(self) -> None:
        """Lets go of the file, as soon as no thread reads from it."""
        self._reader.close()


def following(estimator: PoseEstimator, options: ClipOptions, *, begun: int = 0) -> Following:
    """What follows the people whom a pipeline finds.

    Args:
        estimator: the pipeline.
        options: what is asked.
        begun: numbers that have been given already.
    """
    asked = options.min_person_score
    return Following(
        estimator.skeleton,
        min_person_score=estimator.min_person_score if asked is None else asked,
        track=options.track,
        smooth=options.smooth,
        begun=begun,
    )


def _stages_s(prediction: Prediction, decode_s: float) -> dict[str, float]:
    return {
        "decode": decode_s,
        "detect": prediction.detect_s,
        "keypoints": prediction.keypoints_s,
    }
