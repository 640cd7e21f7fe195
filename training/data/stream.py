"""Makes things in order, some ahead, by several threads."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

AHEAD = 2
"""Items that wait beside those that the threads make."""


@contextmanager
def stream(make: Callable[[int], T], numbers: range, workers: int) -> Generator[Generator[T]]:
    """`make(n)` for the numbers, in their order; what it raises comes out at its place."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="samples")
    try:
        yield _in_order(pool, make, numbers, workers + AHEAD)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, make: Callable[[int], T], numbers: range, ahead: int
) -> Generator[T]:
    waiting = deque(pool.submit(make, number) for number in numbers[:ahead])
    for number in range(len(numbers)):
        done = waiting.popleft().result()
        if number + ahead < len(numbers):
            waiting.append(pool.submit(make, numbers[number + ahead]))
        yield done
