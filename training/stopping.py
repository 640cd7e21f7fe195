"""Ends a run after the step at hand: on Ctrl-C, SIGTERM, or when its time is up."""

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_HINT = b"\nfinishing the step, then saving; again to end at once\n"


class Stopped(Exception):
    """A run ended before its last epoch, with a checkpoint.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM, 0 when its time was up.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StopRequest:
    """Within its context, signals only make a note of themselves.

    A second one ends the process at once, as it would without this.

    Args:
        max_minutes: after which a stop is requested too; None for never.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self._deadline = None if max_minutes is None else time.monotonic() + max_minutes * 60
        self._signal: int | None = None
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread set handlers; elsewhere signals act as they did.
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    @property
    def wanted(self) -> bool:
        """Whether the run shall end after the step at hand."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self._signal is not None

    def stopped(self, step: int) -> Stopped:
        """What to raise after saving a step."""
        saved = f"saved after step {step}"
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            return Stopped(f"stopped by {name}, {saved}", 128 + self._signal)
        if self.wanted:
            return Stopped(f"the time is up, {saved}", 0)
        return Stopped(f"stopped together with another host, {saved}", 0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signal = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        # Nothing that takes a lock may be called here.
        os.write(2, _HINT)
