"""A request's right to cost work: until its deadline, and as long as its client waits."""

import time
from collections.abc import Callable

from service.inference.errors import PoseError


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


class DeadlinePassed(PoseError):
    """The answer would come later than the client or the service allows."""


class Ticket:
    """Says whether anybody still waits for a piece of work; may be asked from any thread.

    Args:
        timeout_s: from now to the deadline; None for no deadline.
    """

    def __init__(self, timeout_s: float | None = None) -> None:
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._cancelled = False
        self._on_cancel: list[Callable[[], object]] = []

    @property
    def remaining_s(self) -> float | None:
        """Seconds to the deadline, at least 0; None where there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def alive(self) -> bool:
        return self.end is None

    @property
    def end(self) -> ClientGone | DeadlinePassed | None:
        """Why nobody waits any more; None while somebody does."""
        if self._cancelled:
            return ClientGone()
        return self.passed() if self.remaining_s == 0 else None

    def cancel(self) -> None:
        """The client has left; to be called on the event loop."""
        self._cancelled = True
        for callback in self._on_cancel:
            callback()
        self._on_cancel.clear()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Calls back, at once if it has happened already, when the client leaves."""
        if self._cancelled:
            callback()
        else:
            self._on_cancel.append(callback)

    def hurry(self, timeout_s: float) -> None:
        """Moves the deadline to so many seconds from now, unless it is sooner already."""
        remaining_s = self.remaining_s
        if remaining_s is None or timeout_s < remaining_s:
            self._timeout_s = timeout_s
            self._deadline = time.monotonic() + timeout_s

    def check(self) -> None:
        """Lets a piece of work begin.

        Raises:
            ClientGone: nobody waits for it any more.
            DeadlinePassed: it would come too late.
        """
        end = self.end
        if end is not None:
            raise end

    def passed(self) -> DeadlinePassed:
        """The error of an answer that comes too late."""
        return DeadlinePassed(
            f"the answer was not ready within {self._timeout_s:g} s; it was given up"
        )
