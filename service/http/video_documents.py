"""From frames and their people to the documents that go over the wire."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from service.http.documents import model_document, person_document, timings_document
from service.http.problems import INTERNAL, document_of, kind_of, logged_bug
from service.http.schemas import ImageDocument, Problem
from service.http.video_schemas import (
    FollowQuery,
    StreamOptions,
    StreamOptionsDocument,
    TrackedPersonDocument,
    VideoFrameDocument,
    VideoHeaderDocument,
    VideoQuery,
    VideoSummaryDocument,
)
from service.inference.errors import PoseError
from service.inference.estimator import PoseEstimator
from service.inference.tracking.tracker import Tracked
from service.inference.video.reader import VideoInfo
from service.runtime.clip import Answered, Clip, ClipOptions

_TIME_DIGITS = 4


def line(document: BaseModel) -> str:
    """A document as a line of NDJSON; what is not known is absent."""
    return document.model_dump_json(exclude_none=True) + "\n"


def clip_options(query: FollowQuery) -> ClipOptions:
    """What a query asks about frames."""
    video = query if isinstance(query, VideoQuery) else VideoQuery()
    return ClipOptions(
        max_persons=query.max_persons,
        min_person_score=query.min_person_score,
        track=query.track,
        smooth=query.smooth,
        every=video.every,
        max_frames=video.max_frames,
    )


def header_document(estimator: PoseEstimator, info: VideoInfo) -> VideoHeaderDocument:
    """What is known of a video before its first frame."""
    skeleton = estimator.skeleton
    return VideoHeaderDocument(
        fps=info.fps,
        image=ImageDocument(width=info.size.width, height=info.size.height),
        frames=info.frames,
        model=model_document(estimator),
        keypoints=skeleton.names,
        edges=skeleton.edges,
    )


def frame_document(
    answered: Answered, stages_s: Mapping[str, float], min_keypoint_score: float | None
) -> VideoFrameDocument:
    """A frame's people; joints below the score are absent.

    Args:
        answered: the frame.
        stages_s: seconds by stage, with `queue` and `total`.
        min_keypoint_score: None hides nothing.
    """
    return VideoFrameDocument(
        frame=answered.index,
        time_s=round_time(answered.time_s),
        persons=tracked_documents(answered.tracked, min_keypoint_score or 0.0),
        timings_ms=timings_document(stages_s),
    )


def summary_document(clip: Clip, stages_s: Mapping[str, float]) -> VideoSummaryDocument:
    """What is known of a video after its last frame.

    Args:
        clip: the video.
        stages_s: seconds by stage of all frames together.
    """
    return VideoSummaryDocument(
        frames=clip.answered,
        frames_read=clip.frames_read,
        seconds=round_time(clip.seconds),
        tracks=clip.tracks,
        timings_ms=timings_document(stages_s),
    )


def options_document(estimator: PoseEstimator, options: StreamOptions) -> StreamOptionsDocument:
    """What counts for a stream, and who answers it."""
    skeleton = estimator.skeleton
    return StreamOptionsDocument(
        options=options,
        model=model_document(estimator),
        keypoints=skeleton.names,
        edges=skeleton.edges,
    )


def tracked_documents(
    tracked: Sequence[Tracked], min_keypoint_score: float
) -> list[TrackedPersonDocument]:
    """People and their numbers, in the same order; joints below the score are absent."""
    return [_tracked_document(one, min_keypoint_score) for one in tracked]


def problem_of(error: PoseError, request_id: str) -> Problem:
    """An error as a document within an answer that has begun; one inside is logged."""
    kind = kind_of(error)
    if kind is INTERNAL:
        return logged_bug(error, request_id)
    return document_of(kind, str(error), request_id)


def round_time(time_s: float) -> float:
    """Seconds as they are told."""
    return round(time_s, _TIME_DIGITS)


def _tracked_document(tracked: Tracked, min_keypoint_score: float) -> TrackedPersonDocument:
    person = person_document(tracked.person, min_keypoint_score)
    return TrackedPersonDocument.model_construct(
        score=person.score, box=person.box, keypoints=person.keypoints, track_id=tracked.track_id
    )
