"""Gives people numbers that they keep from frame to frame.

Source: Zhang et al. 2022, "ByteTrack: Multi-Object Tracking by Associating Every Detection Box":
people who are surely there choose first, doubtful ones then continue what is left, and only the
former begin anything. The likeness knows poses too (`association`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.inference.card import Skeleton
from service.inference.tracking.association import corners, match, similarities
from service.inference.tracking.motion import BoxMotion
from service.inference.types import Box, Floats, Person

MEMORY_S = 2.0
_LEAST_LIKENESS = 0.2
_LEAST_LIKENESS_DOUBTFUL = 0.35


@dataclass(frozen=True, slots=True)
class Tracked:
    """A person in a frame.

    Attributes:
        person: as found.
        track_id: the same for the same person in other frames, from 1; None for a doubtful one who
            continues no track.
    """

    person: Person
    track_id: int | None


class _Track:
    """A person over time."""

    def __init__(self, track_id: int, person: Person, time_s: float) -> None:
        self.track_id = track_id
        self.seen_s = time_s
        self.lost = False
        self._motion = BoxMotion(person.box, time_s)
        self._box, self._pose = person.box, _pose(person)

    def see(self, person: Person, time_s: float) -> None:
        self.seen_s, self.lost = time_s, False
        self._motion.see(person.box, time_s)
        self._box, self._pose = person.box, _pose(person)

    def miss(self) -> None:
        self.lost = True
        self._motion.stop_growing()

    def expected(self, time_s: float) -> tuple[Box, Floats]:
        """Where the box will be, and the pose carried along with it, `[K, 3]`."""
        box, last = self._motion.at(time_s), self._box
        scale = (box.width / max(last.width, 1.0), box.height / max(last.height, 1.0))
        pose = self._pose.copy()
        pose[:, :2] = (pose[:, :2] - _centre(last)) * scale + _centre(box)
        return box, pose


class Tracker:
    """The people of one clip or connection; not for two threads at once.

    Args:
        skeleton: of the people.
        confident_score: of who may begin a track, in 0..1; people below only continue one.
        memory_s: for how long somebody who is not seen keeps the number.
        begun: numbers that have been given already.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        confident_score: float,
        memory_s: float = MEMORY_S,
        begun: int = 0,
    ) -> None:
        self._sigmas = np.array(skeleton.sigmas)
        self._confident_score = confident_score
        self._memory_s = memory_s
        self._tracks: list[_Track] = []
        self._begun = begun

    @property
    def begun(self) -> int:
        """Tracks that there have been so far; the last one's number."""
        return self._begun

    def update(self, persons: Sequence[Person], time_s: float) -> list[Tracked]:
        """Numbers the people of the next frame.

        Args:
            persons: of the frame.
            time_s: of the frame, later than that of the last one.

        Returns:
            The same people in the same order.
        """
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._memory_s]
        sure = [at for at, one in enumerate(persons) if one.score >= self._confident_score]
        doubtful = [at for at in range(len(persons)) if at not in set(sure)]
        found = self._join(self._tracks, persons, sure, time_s, _LEAST_LIKENESS)
        # Who was lost comes back as somebody who is surely there, or not at all.
        taken = set(found.values())
        left = [track for track in self._tracks if track not in taken and not track.lost]
        found |= self._join(left, persons, doubtful, time_s, _LEAST_LIKENESS_DOUBTFUL)
        continued = set(found.values())
        for track in self._tracks:
            if track not in continued:
                track.miss()
        for at in sure:
            if at not in found:
                found[at] = self._begin(persons[at], time_s)
        for at, track in found.items():
            if track in continued:
                track.see(persons[at], time_s)
        ids = {at: track.track_id for at, track in found.items()}
        return [Tracked(person, ids.get(at)) for at, person in enumerate(persons)]

    def _begin(self, person: Person, time_s: float) -> _Track:
        self._begun += 1
        track = _Track(self._begun, person, time_s)
        self._tracks.append(track)
        return track

    def _join(
        self,
        tracks: Sequence[_Track],
        persons: Sequence[Person],
        candidates: Sequence[int],
        time_s: float,
        least: float,
    ) -> dict[int, _Track]:
        """The tracks that some of the people continue, by the people's place."""
        if not tracks or not candidates:
            return {}
        expected = [track.expected(time_s) for track in tracks]
        chosen = [persons[at] for at in candidates]
        likeness = similarities(
            corners([box for box, _ in expected]),
            np.stack([pose for _, pose in expected]),
            corners([person.box for person in chosen]),
            np.stack([_pose(person) for person in chosen]),
            self._sigmas,
        )
        return {candidates[column]: tracks[row] for row, column in match(likeness, least)}


def _pose(person: Person) -> Floats:
    return np.array([(joint.x, joint.y, joint.score) for joint in person.keypoints])


def _centre(box: Box) -> Floats:
    return np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
