"""The folder of models as the runtime sees it: pipelines by name, opened and tried out."""

from collections.abc import Callable, Hashable
from pathlib import Path
from weakref import WeakValueDictionary

import cv2
import structlog

from service.inference.card import Task
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.repository import load_bundle, pair, pipeline_config
from service.inference.self_test import self_test
from service.inference.session import Session
from service.inference.versions import files_state
from service.runtime.batcher import Batcher
from service.runtime.metered import Metered


class ModelsFolder:
    """Opens the pipelines of a models folder; those that name the same bundle share it.

    Args:
        models_dir: folder of the bundles and of `pipelines.toml`.
        execution: what all networks run on.
        observe_run: told the task, the rows and the seconds of each run of a network.
        observe_batch: told the rows of each run on a GPU and how long the first had waited.
    """

    def __init__(
        self,
        models_dir: Path,
        execution: Execution,
        *,
        observe_run: Callable[[Task, int, float], None],
        observe_batch: Callable[[int, float], None],
    ) -> None:
        self._models_dir = models_dir
        self._execution = execution
        self._observe_run = observe_run
        self._batcher = Batcher(
            len(execution.gpu_ids), max_batch=execution.max_batch, observe=observe_batch
        )
        # Of bundles that some pipeline still uses.
        self._sessions: WeakValueDictionary[Hashable, Session] = WeakValueDictionary()
        # Pictures are worked on side by side: more threads would make them wait for each other.
        cv2.setNumThreads(execution.threads)

    @property
    def waiting_rows(self) -> int:
        """Pictures and crops that no GPU has taken."""
        return self._batcher.waiting

    def open(self, name: str) -> PoseEstimator:
        """Opens a pipeline and tries it out.

        Raises:
            InvalidBundle: it or one of its bundles is missing or not as it should be.
            DeviceUnavailable: a network cannot run on the device.
        """
        estimator = pair(name, pipeline_config(self._models_dir, name), self._session)
        self.check(estimator)
        return estimator

    def fingerprint(self, name: str) -> Hashable:
        """Changes with the pipeline's entry, its bundles' newest versions and their files.

        Raises:
            InvalidBundle: the pipeline or a bundle is missing.
        """
        config = pipeline_config(self._models_dir, name)
        return (
            config,
            files_state(self._models_dir, config.detector),
            files_state(self._models_dir, config.keypoints),
        )

    def check(self, estimator: PoseEstimator) -> None:
        """Runs a pipeline on a picture of one person.

        Raises:
            InvalidBundle: its answer is not sane.
            InferenceFailed: a network fails.
        """
        if self_test(estimator) == 0:
            # Not an error: a pipeline may be for something else than people.
            logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
            logger.warning("nobody was found in a picture of one person", pipeline=estimator.name)

    def close(self) -> None:
        """Ends the threads of the GPUs."""
        self._batcher.close()

    def _session(self, reference: str) -> Session:
        key = (reference, files_state(self._models_dir, reference))
        session = self._sessions.get(key)
        if session is None:
            replicas = load_bundle(self._models_dir, reference, self._execution)
            session = self._batcher.join(
                [Metered(replica, self._observe_run) for replica in replicas]
            )
            self._sessions[key] = session
        return session
