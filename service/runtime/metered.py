"""A session whose runs are counted, each run of the device once, whoever's rows are in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.inference.card import ModelCard, Task
from service.inference.session import Answer
from service.inference.types import Pixels
from service.runtime.batcher import Replica


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Metered:
    """A network on one device.

    Attributes:
        session: that runs it.
        observe: told the task, the rows and the seconds of each run that did not fail.
    """

    session: Replica
    observe: Callable[[Task, int, float], None]

    @property
    def card(self) -> ModelCard:
        return self.session.card

    @property
    def provider(self) -> str:
        return self.session.provider

    def run(self, image: Pixels) -> Answer:
        """As the session's."""
        started = time.perf_counter()
        answer = self.session.run(image)
        self.observe(self.session.card.task, len(image), time.perf_counter() - started)
        return answer

    def warm_up(self) -> None:
        """As the session's; these runs are not counted."""
        self.session.warm_up()
