"""What goes over the wire about videos and streams of pictures: parameters in, documents out."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.http.schemas import (
    ImageDocument,
    ModelDocument,
    PersonDocument,
    PoseQuery,
    Problem,
    TimingsDocument,
)

_MAX_EVERY = 1000


class FollowQuery(PoseQuery):
    """What is asked about frames that follow each other."""

    track: bool = Field(
        default=True, description="Give each person a `track_id` and keep it from frame to frame."
    )
    smooth: bool = Field(
        default=True, description="Keep the joints of tracked people from trembling."
    )

    @model_validator(mode="after")
    def _tracked_if_smoothed(self) -> Self:
        if self.smooth and "smooth" in self.model_fields_set and not self.track:
            raise ValueError("smooth is true and track is false; expected track to be true too")
        return self


class VideoQuery(FollowQuery):
    """The query parameters of `POST /predict/video`."""

    every: int = Field(
        default=1, ge=1, le=_MAX_EVERY, description="n answers every n-th frame, from the first on."
    )
    max_frames: int | None = Field(
        default=None,
        ge=1,
        description="The most frames to answer; the rest of the video is not looked at.",
    )


class StreamOptions(FollowQuery):
    """What a client may set on `WS /stream`, before or between its pictures."""

    model_config = ConfigDict(title="StreamOptions")


class TrackedPersonDocument(PersonDocument):
    """A person of a frame."""

    track_id: int | None = Field(
        default=None,
        description="The same for the same person in all frames, from 1; absent without tracking, "
        "and for a doubtful person who continues no track.",
    )


class VideoHeaderDocument(BaseModel):
    """The first line of an answer: what the container states, and who answers.

    `keypoints` and `edges` describe the skeleton: names, and pairs of places in them.
    """

    kind: Literal["header"] = "header"
    fps: float = Field(description="Frames per second; each frame has a time of its own.")
    image: ImageDocument
    frames: int | None = Field(
        default=None, description="As the container states it, absent where it does not."
    )
    model: ModelDocument
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]


class VideoFrameDocument(BaseModel):
    """The people in a frame, best first, in pixels of the upright frame."""

    kind: Literal["frame"] = "frame"
    frame: int = Field(description="From 0, counted over all frames of the video.")
    time_s: float = Field(description="Since the first frame.")
    persons: list[TrackedPersonDocument]
    timings_ms: TimingsDocument


class VideoSummaryDocument(BaseModel):
    """The last line of a complete answer."""

    kind: Literal["summary"] = "summary"
    frames: int = Field(description="Frames that were answered.")
    frames_read: int = Field(description="Frames of the file, also those left out.")
    seconds: float = Field(description="Of the last frame that was read.")
    tracks: int | None = Field(default=None, description="People that were numbered.")
    timings_ms: TimingsDocument = Field(description="Sums over all frames that were answered.")


class StreamFrameDocument(BaseModel):
    """The people in a picture of a stream, in pixels of the upright picture."""

    kind: Literal["frame"] = "frame"
    frame: int = Field(description="The picture's place among those sent, from 0.")
    time_s: float = Field(description="When it came, since the first one.")
    image: ImageDocument
    persons: list[TrackedPersonDocument]
    dropped: int = Field(description="Pictures so far that were too old when their turn came.")
    timings_ms: TimingsDocument


class StreamOptionsDocument(BaseModel):
    """The answer to options: what counts for pictures that come from now on."""

    kind: Literal["options"] = "options"
    options: StreamOptions
    model: ModelDocument
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]


class StreamProblem(Problem):
    """Why a picture or a message of a stream was not answered."""

    frame: int | None = Field(default=None, description="The picture's place among those sent.")
