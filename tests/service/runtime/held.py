"""Sessions that can be held stand for GPUs, so that a test decides what waits when."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from service.inference.errors import InferenceFailed
from service.runtime.batcher import Batcher
from tests.service.conftest import Bundles

CUDA = "CUDAExecutionProvider"
PATIENCE_S = 10
BAD = 250
"""The number of a picture that no session can stand."""


class Held:
    """A network on one GPU whose runs last until they are let go; it answers pictures' numbers."""

    provider = CUDA

    def __init__(self, name: str, log: list, *, held: bool = True, card=None) -> None:
        self.card = card or Bundles().keypoints_card(name=name)
        self.begun = threading.Semaphore(0)
        self._name = name
        self._log = log
        self._held = held
        self._may = threading.Semaphore(0)

    def run(self, image):
        self.numbers = numbers = image[:, 0, 0, 0].tolist()
        self._log.append((self._name, numbers))
        self.begun.release()
        if self._held:
            assert self._may.acquire(timeout=PATIENCE_S)
        if BAD in numbers:
            raise InferenceFailed(f"of {numbers}")
        return {"keypoints": image[:, :1, :1, 0].astype(np.float32)}

    def warm_up(self) -> None:
        self._log.append((self._name, threading.current_thread().name))

    def step(self) -> None:
        """One run ends."""
        self._may.release()

    def let_go(self) -> None:
        """All runs from now on end at once."""
        self._held = False
        self.step()


def pictures(*numbers, size=(64, 48)):
    images = np.zeros((len(numbers), *size, 3), np.uint8)
    images[:, 0, 0, 0] = numbers
    return images


def numbers_of(answer):
    return answer["keypoints"].ravel().tolist()


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class House:
    """A batcher, its networks and callers."""

    def __init__(self, devices: int = 1, **options) -> None:
        self.log = []
        self.held = []
        self.batcher = Batcher(devices, **{"max_batch": 32, **options})
        self._devices = devices
        self.callers = ThreadPoolExecutor(32)

    def network(self, name="a", **options):
        replicas = [Held(name, self.log, **options) for _ in range(self._devices)]
        self.held += replicas
        session = self.batcher.join(replicas)
        self.log.clear()
        return session

    def start(self, session, *numbers, **size) -> "Future[list[float]]":
        """A call in a thread of its own."""
        return self.callers.submit(lambda: numbers_of(session.run(pictures(*numbers, **size))))

    def occupy(self, session, *numbers, **size) -> "Future[list[float]]":
        """A call whose run has begun."""
        answer = self.start(session, *numbers, **size)
        assert self.held[0].begun.acquire(timeout=PATIENCE_S)
        return answer

    def ask(self, session, *numbers, **size) -> "Future[list[float]]":
        """A call that waits, after all earlier ones, since every GPU is occupied."""
        before = self.batcher.waiting
        answer = self.start(session, *numbers, **size)
        until(lambda: self.batcher.waiting > before)
        return answer

    def let_go(self) -> None:
        for replica in self.held:
            replica.let_go()

    def close(self) -> None:
        self.let_go()
        self.batcher.close()
        self.callers.shutdown()


def answers(*futures):
    return [future.result(PATIENCE_S) for future in futures]


def device_threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("pose-gpu")}
