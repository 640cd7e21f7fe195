"""A pipeline for one request: each run of a network first asks whether anybody still waits."""

from dataclasses import dataclass, replace

from service.inference.card import ModelCard
from service.inference.estimator import PoseEstimator
from service.inference.session import Answer, Session
from service.inference.types import Pixels
from service.runtime.batcher import Batched
from service.runtime.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Guarded:
    """A session that does not run for a ticket that is no longer alive."""

    session: Session
    ticket: Ticket

    @property
    def card(self) -> ModelCard:
        return self.session.card

    @property
    def provider(self) -> str:
        return self.session.provider

    def run(self, image: Pixels) -> Answer:
        """As the session's.

        Raises:
            ClientGone: nobody waits for the answer any more.
            DeadlinePassed: it would come too late.
        """
        self.ticket.check()
        return self.session.run(image)


def guard(estimator: PoseEstimator, ticket: Ticket) -> PoseEstimator:
    """The same pipeline, whose networks run only while the ticket is alive."""
    return replace(
        estimator,
        detector=_guarded(estimator.detector, ticket),
        keypoints=_guarded(estimator.keypoints, ticket),
    )


def _guarded(session: Session, ticket: Ticket) -> Session:
    # Rows that wait for a GPU are dropped from its queue, too.
    return Guarded(session.bound(ticket) if isinstance(session, Batched) else session, ticket)
