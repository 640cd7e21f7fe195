"""Markdown's tables."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line for each row.

    Args:
        heads: of the columns.
        rows: as many cells each.
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) for cells in lines
    )
