"""Runs on GPUs: what waits of one network, of all requests together, goes into one run.

Nobody waits for others to come: a GPU that is free takes what is there. While it is at work more
comes, so the busier it is, the fuller its runs are.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from service.inference.card import ModelCard
from service.inference.errors import ShuttingDown
from service.inference.providers import CPU
from service.inference.session import Answer, Session
from service.inference.signature import check_image
from service.inference.types import Pixels
from service.runtime.calls import Call, Part
from service.runtime.ticket import Ticket

_CLOSED = "The service is shutting down; the network was not run."


class Replica(Session, Protocol):
    """A network on one GPU."""

    def warm_up(self) -> None:
        """Runs the network in every batch size, in the thread that will run it."""
        ...


class Batcher:
    """A thread for each GPU, and one queue for them.

    Args:
        devices: number of GPUs.
        max_batch: rows of a run at most.
        observe: told the rows of each run, and the seconds that the first of them had waited.
    """

    def __init__(
        self,
        devices: int,
        *,
        max_batch: int,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._max_batch = max_batch
        self._observe = observe
        self._lock = threading.Lock()
        self._closed = False
        # In the order in which they came.
        self._waiting: list[Call] = []
        # A thread begins with its first piece of work: none does if all networks run on the CPU.
        self._devices = [
            ThreadPoolExecutor(1, thread_name_prefix=f"pose-gpu-{number}")
            for number in range(devices)
        ]
        # Whether a thread will look into the queue as soon as it can.
        self._woken = [False] * devices

    @property
    def waiting(self) -> int:
        """Rows that no GPU has taken."""
        with self._lock:
            return sum(call.left for call in self._waiting)

    def join(self, replicas: Sequence[Replica]) -> Session:
        """Makes one session of those that a network has on the GPUs, in the GPUs' order.

        Each is warmed up in its GPU's thread: CUDA keeps handles and recorded graphs by thread. A
        network that runs on the CPU stays as it is: there it gains nothing from others' rows.

        Raises:
            InvalidBundle: the network fails.
            ShuttingDown: the batcher is closed.
        """
        if replicas[0].provider == CPU:
            return replicas[0]
        for number, replica in zip(range(len(self._devices)), replicas, strict=True):
            with self._lock:
                if self._closed:
                    raise ShuttingDown(_CLOSED)
                warmed = self._devices[number].submit(replica.warm_up)
            try:
                warmed.result()
            except CancelledError:
                raise ShuttingDown(_CLOSED) from None
        return Batched(self, replicas)

    def run(self, replicas: Sequence[Session], image: Pixels, ticket: Ticket | None) -> Answer:
        """Runs a network, together with what else waits for it; returns when that is done.

        Args:
            replicas: the network, once for each GPU.
            image: uint8 `[N, H, W, 3]` as its card says.
            ticket: rows are dropped unless it is alive when their turn comes.

        Raises:
            ClientGone: nobody waits for the answer any more.
            DeadlinePassed: it would come too late.
            InferenceFailed: the network fails on these rows.
            ShuttingDown: the batcher is closed.
        """
        call = Call(replicas, image, ticket)
        with self._lock:
            if self._closed:
                raise ShuttingDown(_CLOSED)
            self._waiting.append(call)
            for device in range(len(self._devices)):
                self._wake(device)
        return call.result()

    def close(self) -> None:
        """Fails what waits and ends the threads, those at work once their run has ended."""
        with self._lock:
            self._closed = True
            for call in self._waiting:
                call.fail(ShuttingDown(_CLOSED))
            self._waiting = []
        for device in self._devices:
            device.shutdown(wait=False, cancel_futures=True)

    def _wake(self, device: int) -> None:
        if not self._woken[device]:
            self._woken[device] = True
            self._devices[device].submit(self._work, device)

    def _work(self, device: int) -> None:
        """One run; what is left gets its turn after other work for the thread, as warming up."""
        with self._lock:
            self._woken[device] = False
            parts = self._take()
        if parts:
            self._run(device, parts)
        with self._lock:
            if self._waiting and not self._closed:
                self._wake(device)

    def _take(self) -> list[Part]:
        """Rows like the one that has waited longest, up to a full batch."""
        alive = [call for call in self._waiting if call.left and not call.expired()]
        room = self._max_batch
        parts: list[Part] = []
        for call in alive:
            if room and _fit_together(call, alive[0]):
                parts.append(call.take(room))
                room -= parts[-1].rows
        self._waiting = [call for call in alive if call.left]
        return parts

    def _run(self, device: int, parts: Sequence[Part]) -> None:
        try:
            if self._observe is not None:
                waited_s = time.perf_counter() - parts[0].call.since
                self._observe(sum(part.rows for part in parts), waited_s)
            answer = parts[0].call.replicas[device].run(_together([part.image for part in parts]))
            self._deliver(parts, answer)
        except Exception as error:  # noqa: BLE001 -- it is the callers', the thread must go on
            if len(parts) == 1:
                with self._lock:
                    parts[0].call.fail(error)
            else:
                self._run_alone(device, parts)

    def _run_alone(self, device: int, parts: Sequence[Part]) -> None:
        """Runs requests one by one, so that one that fails takes no other with it."""
        for part in parts:
            with self._lock:
                expired = part.call.expired()
            if not expired:
                self._run(device, [part])

    def _deliver(self, parts: Sequence[Part], answer: Answer) -> None:
        bounds = np.cumsum([0, *(part.rows for part in parts)]).tolist()
        with self._lock:
            for part, (start, stop) in zip(parts, pairwise(bounds), strict=True):
                rows = {name: values[start:stop] for name, values in answer.items()}
                part.call.put(part, rows)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Batched:
    """A network on every GPU as one `Session`, whose runs share batches with those of others.

    Attributes:
        batcher: that runs it.
        replicas: the network, once for each GPU.
        ticket: of the request that it runs for; None runs for anybody.
    """

    batcher: Batcher
    replicas: Sequence[Session]
    ticket: Ticket | None = None

    @property
    def card(self) -> ModelCard:
        return self.replicas[0].card

    @property
    def provider(self) -> str:
        return self.replicas[0].provider

    def bound(self, ticket: Ticket) -> "Batched":
        """The same for one request: its rows are dropped from the queue when it is given up."""
        return replace(self, ticket=ticket)

    def run(self, image: Pixels) -> Answer:
        """Runs the network on uint8 RGB `[N, H, W, 3]`, N at least 1; see `Batcher.run`."""
        check_image(self.card, image)
        return self.batcher.run(self.replicas, image, self.ticket)


def _fit_together(a: Call, b: Call) -> bool:
    """Whether one run can take both: of one network, with pictures of one size."""
    return a.replicas is b.replicas and a.image.shape[1:] == b.image.shape[1:]


def _together(images: Sequence[Pixels]) -> Pixels:
    return images[0] if len(images) == 1 else np.concatenate(images)
