"""One way to warn on stderr, and to keep libraries from it."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console


def warn(message: str) -> None:
    """Prints a warning line, in colour on a terminal."""
    Console(stderr=True).print(
        f"warning: {message}", style="yellow", markup=False, highlight=False, soft_wrap=True
    )


@contextmanager
def only_errors_of(logger_name: str) -> Generator[None]:
    """Keeps back what a library's logger has to say below an error."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
