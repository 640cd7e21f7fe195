"""The service with a detector that takes its time.

`python -m benchmarks.slow_service MS looks|blind [flags of serve]`: each run takes so many
milliseconds more, and a blind detector then finds nobody without a look. What the service can
answer in a second is then known and costs next to no processor, so that what is measured is the
queue and not the networks, which would share the cores with the load generator.
"""

import sys
import time
from dataclasses import dataclass, replace

import numpy as np

from service.cli import main
from service.inference.card import ModelCard
from service.inference.estimator import PoseEstimator
from service.inference.session import Answer, Session
from service.inference.types import Pixels
from service.runtime.models_folder import ModelsFolder


@dataclass(frozen=True, slots=True)
class Slow:
    """A session whose runs take longer; they do not keep the interpreter busy, as real ones do not.

    Attributes:
        session: that answers.
        delay_s: before each run.
        blind: the session is not asked; nobody is there.
    """

    session: Session
    delay_s: float
    blind: bool

    @property
    def card(self) -> ModelCard:
        return self.session.card

    @property
    def provider(self) -> str:
        return self.session.provider

    def run(self, image: Pixels) -> Answer:
        time.sleep(self.delay_s)
        if self.blind:
            nothing = np.zeros((len(image), 1, 4), np.float32)
            return {"boxes": nothing, "scores": nothing[..., 0]}
        return self.session.run(image)


class SlowModels(ModelsFolder):
    """A models folder whose pipelines have slow detectors."""

    delay_s = 0.0
    blind = False

    def open(self, name: str) -> PoseEstimator:
        estimator = ModelsFolder.open(self, name)
        return replace(estimator, detector=Slow(estimator.detector, self.delay_s, self.blind))


def serve(arguments: list[str]) -> int:
    """Serves as `python -m service serve` does; the first two arguments are this module's."""
    import service.cli

    milliseconds, sight, *flags = arguments
    SlowModels.delay_s, SlowModels.blind = float(milliseconds) / 1000, sight == "blind"
    service.cli.ModelsFolder = SlowModels
    return main(["serve", *flags])


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
