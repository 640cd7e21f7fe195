"""The pipeline behind BentoML: `bentoml serve benchmarks.servers.bentoml_server:Tuned` or `:Plain`.

Of what BentoML's documentation offers for work that keeps a CPU busy: one worker process for each
core with one thread, no adaptive batching, which gains nothing on a CPU, and no access log. The
bare file is the body, which costs less than a form. `Plain` opens the networks as its examples do,
`Tuned` as this service does.

Source: BentoML's documentation, "Parallelize requests handling", "Define input and output types".
"""

import bentoml  # pyright: ignore[reportMissingModuleSource]

from benchmarks.servers.pipeline import answer, open_plain, open_tuned
from service.http.schemas import PredictionDocument
from service.inference.cores import available_cores

_service = bentoml.service(
    workers=available_cores(),
    threads=1,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)


@_service
class Plain:
    """Decoding and both networks in the worker."""

    def __init__(self) -> None:
        self.estimator = open_plain()

    @bentoml.api(route="/predict")
    def predict(self, image: bytes, /) -> PredictionDocument:
        return answer(self.estimator, image)


@_service
class Tuned:
    """The same with the service's sessions."""

    def __init__(self) -> None:
        self.estimator = open_tuned()

    @bentoml.api(route="/predict")
    def predict(self, image: bytes, /) -> PredictionDocument:
        return answer(self.estimator, image)
