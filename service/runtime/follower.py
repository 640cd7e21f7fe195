"""One picture after another of the same scene: its people, and who they were before."""

from service.inference.card import Skeleton
from service.inference.estimator import PoseEstimator
from service.inference.image import ImageLimits
from service.inference.tracking.following import Following
from service.inference.tracking.tracker import Tracked
from service.runtime.clip import ClipOptions, following
from service.runtime.guard import guard
from service.runtime.prediction import Picture, Posed, pose
from service.runtime.ticket import Ticket


class Follower:
    """Follows people through the pictures of one connection; not for two threads at once.

    Args:
        begun: numbers that have been given already, and are not given again.
    """

    def __init__(self, *, begun: int = 0) -> None:
        self._begun = begun
        self._following: Following | None = None
        self._known: tuple[ClipOptions, Skeleton] | None = None

    @property
    def tracks(self) -> int:
        """Numbers that have been given."""
        return self._begun

    def renewed(self) -> "Follower":
        """Another one, who knows nobody and begins with the next number."""
        return Follower(begun=self._begun)

    def answer(
        self,
        estimator: PoseEstimator,
        picture: Picture,
        limits: ImageLimits,
        options: ClipOptions,
        time_s: float,
        ticket: Ticket,
    ) -> tuple[Posed, list[Tracked]]:
        """Finds and follows the people in the next picture.

        Args:
            estimator: finds them.
            picture: the next one.
            limits: on the picture.
            options: when they change, nobody is known any more.
            time_s: of the picture.
            ticket: nothing is done once it is no longer alive.

        Raises:
            PoseError: as `pose`.
        """
        posed = pose(guard(estimator, ticket), picture, limits)
        ticket.check()
        known = (options, estimator.skeleton)
        if self._following is None or known != self._known:
            self._following = following(estimator, options, begun=self._begun)
            self._known = known
        tracked = self._following.update(posed.prediction.persons, time_s)
        self._begun = self._following.tracks or self._begun
        return posed, tracked
