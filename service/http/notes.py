"""What is learnt about a request while it is answered: for its log line, `Server-Timing`, spans.

The notes of the request at hand are found through the context, because the pictures of a batch are
worked on in tasks of their own, which know nothing of requests.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

PROBES = frozenset(
    {"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/metrics"}
)
"""Routes that are asked so often that neither log nor traces should tell of each time."""
_MS_DIGITS = 2


@dataclass(frozen=True, slots=True)
class PictureNote:
    """A picture that was answered.

    Attributes:
        persons: found in it.
        stages_s: seconds by stage; `total` is all of them.
        ended_ns: since the epoch.
    """

    persons: int
    stages_s: Mapping[str, float]
    ended_ns: int


@dataclass(slots=True)
class Notes:
    """All about one request.

    Attributes:
        started_ns: when its head had come, since the epoch.
        upload_s: from then until the last byte of its body was read; None without a body.
        pictures: that were answered, in the order in which they were ready.
    """

    started_ns: int = field(default_factory=time.time_ns)
    upload_s: float | None = None
    pictures: list[PictureNote] = field(default_factory=list[PictureNote])

    def begin(self) -> None:
        """Makes these the notes of the request at hand."""
        _NOTES.set(self)

    def stages_ms(self) -> dict[str, float]:
        """Milliseconds by stage; of several pictures the sums."""
        stages_s = {} if self.upload_s is None else {"upload": self.upload_s}
        for picture in self.pictures:
            for stage, elapsed_s in picture.stages_s.items():
                stages_s[stage] = stages_s.get(stage, 0.0) + elapsed_s
        return {stage: round(elapsed_s * 1000, _MS_DIGITS) for stage, elapsed_s in stages_s.items()}

    def fields(self) -> dict[str, object]:
        """What the log line tells of the pictures."""
        fields: dict[str, object] = {}
        if self.pictures:
            fields["pictures"] = len(self.pictures)
            fields["persons"] = sum(picture.persons for picture in self.pictures)
        stages_ms = self.stages_ms()
        return {**fields, "stages_ms": stages_ms} if stages_ms else fields


_NOTES: ContextVar[Notes] = ContextVar("notes")


def note_picture(persons: int, stages_s: Mapping[str, float]) -> None:
    """Notes that a picture of the request at hand has been answered just now.

    Args:
        persons: found in it.
        stages_s: seconds by stage, and `total`.
    """
    notes = _NOTES.get(None)
    if notes is not None:
        notes.pictures.append(PictureNote(persons, dict(stages_s), time.time_ns()))
