"""People followed through one clip or connection: numbered, and their joints smoothed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.inference.card import Skeleton
from service.inference.tracking.smoothing import JointSmoother
from service.inference.tracking.tracker import MEMORY_S, Tracked, Tracker
from service.inference.types import Person

_CONFIDENT, _MOST_CONFIDENT = 2.0, 0.5
"""Times the least score of people who are answered, at most a half."""
_GAP_S = 0.5
"""After so long unseen, joints begin anew: they would be dragged from where they were."""


@dataclass(slots=True)
class _Smoothed:
    joints: JointSmoother
    seen_s: float


class Smoother:
    """A `JointSmoother` for each track."""

    def __init__(self) -> None:
        self._filters: dict[int, _Smoothed] = {}

    def smooth(self, tracked: Sequence[Tracked], time_s: float) -> list[Tracked]:
        """The same people with quieter joints; boxes and scores stay as they are."""
        self._filters = {
            track_id: one
            for track_id, one in self._filters.items()
            if time_s - one.seen_s <= _GAP_S
        }
        return [self._smooth(one, time_s) for one in tracked]

    def _smooth(self, tracked: Tracked, time_s: float) -> Tracked:
        if tracked.track_id is None:
            return tracked
        known = self._filters.setdefault(tracked.track_id, _Smoothed(JointSmoother(), time_s))
        known.seen_s = time_s
        person = tracked.person
        points = np.array([(joint.x, joint.y) for joint in person.keypoints])
        size = float(np.hypot(person.box.width, person.box.height))
        smooth = known.joints.smooth(points, time_s, size).tolist()
        joints = tuple(
            replace(joint, x=x, y=y) for joint, (x, y) in zip(person.keypoints, smooth, strict=True)
        )
        return replace(tracked, person=Person(person.score, person.box, joints))


class Following:
    """Numbers and smooths the people of one clip or connection; not for two threads at once.

    Args:
        skeleton: of the people.
        min_person_score: of who is answered at all, in 0..1.
        track: whether to number people; otherwise they are given back as they are.
        smooth: whether to smooth their joints, for which they must be numbered.
        memory_s: for how long somebody who is not seen keeps the number.
        begun: numbers that have been given already.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        min_person_score: float,
        track: bool = True,
        smooth: bool = True,
        memory_s: float = MEMORY_S,
        begun: int = 0,
    ) -> None:
        confident = max(min_person_score, min(_CONFIDENT * min_person_score, _MOST_CONFIDENT))
        self._tracker = (
            Tracker(skeleton, confident_score=confident, memory_s=memory_s, begun=begun)
            if track
            else None
        )
        self._smoother = Smoother() if track and smooth else None

    @property
    def tracks(self) -> int | None:
        """How many people there have been; None where they are not numbered."""
        return None if self._tracker is None else self._tracker.begun

    def update(self, persons: Sequence[Person], time_s: float) -> list[Tracked]:
        """The people of the next frame, in the same order.

        Smoothing comes after numbering, which sees only what the networks have found.

        Args:
            persons: of the frame.
            time_s: of the frame, later than that of the last one.
        """
        if self._tracker is None:
            return [Tracked(person, None) for person in persons]
        tracked = self._tracker.update(persons, time_s)
        return tracked if self._smoother is None else self._smoother.smooth(tracked, time_s)
