"""What the Open Inference Protocol asks about the server and its models."""

from service import VERSION
from service.oip.models import Model, find_model
from service.oip.wire import Live, ModelMetadata, ModelReady, Ready, ServerMetadata
from service.runtime.runtime import Runtime, State

_NAME = "stance"


class OipStatus:
    """The endpoints under `/v2` that need no place inside.

    Args:
        runtime: whose state and models are told.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def server(self) -> ServerMetadata:
        """Name, version and the protocol's extensions that are spoken."""
        return ServerMetadata(name=_NAME, version=VERSION, extensions=["binary_tensor_data"])

    async def live(self) -> Live:
        """200 as `/health/live`."""
        if self._runtime.state is State.FAILING:
            self._runtime.require_ready()
        return Live()

    async def ready(self) -> Ready:
        """200 as `/health/ready`."""
        self._runtime.require_ready()
        return Ready()

    async def model(self, name: str) -> ModelMetadata:
        """Inputs and outputs of a pipeline, or of a network's newest version."""
        return self._find(name).metadata()

    async def version(self, name: str, version: str) -> ModelMetadata:
        """Inputs and outputs of a network."""
        return self._find(name, version).metadata()

    async def model_ready(self, name: str) -> ModelReady:
        """200 if a pipeline or network of that name takes requests."""
        return ModelReady(name=self._find(name).name)

    async def version_ready(self, name: str, version: str) -> ModelReady:
        """200 if a network of that name and version takes requests."""
        return ModelReady(name=self._find(name, version).name)

    def _find(self, name: str, version: str | None = None) -> Model:
        self._runtime.require_ready()
        return find_model(self._runtime.pipelines.estimators, name, version)
