"""One way to warn on stderr."""

from rich.console import Console


def warn(message: str) -> None:
    """Prints a warning line, in colour on a terminal."""
    Console(stderr=True).print(
        f"warning: {message}", style="yellow", markup=False, highlight=False, soft_wrap=True
    )
