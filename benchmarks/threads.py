"""How threads should share the cores: `python -m benchmarks.threads`.

N callers with a session of one thread each, as the service runs, against one caller with a session
of N threads; measured in turns, on the same picture, N the number of cores.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import cv2
import skimage.data

from service.inference.cores import available_cores
from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.inference.types import Image, Pixels

_ROUNDS = 30


def main() -> None:
    """Prints the ratio of pictures per second, median and extremes over the rounds."""
    cores = available_cores()
    wide = load_pipeline(Path("models"), "default", Execution(device="cpu", threads=cores))
    narrow = load_pipeline(Path("models"), "default", Execution(device="cpu"))
    picture = Image(cast(Pixels, skimage.data.astronaut()))
    cv2.setNumThreads(1)
    ratios: list[float] = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(_ROUNDS):
            alone = _seconds(lambda: [wide.predict(picture) for _ in range(cores)])
            shared = _seconds(lambda: list(pool.map(narrow.predict, [picture] * cores)))
            ratios.append(alone / shared)
    print(
        f"{cores} callers with one thread give {statistics.median(ratios):.2f} times the pictures "
        f"per second of one caller with {cores} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
