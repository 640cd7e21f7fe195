"""`recipes`: list them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from training.commands.options import OK, complain
from training.recipes import recipes, summary


def run(arguments: Sequence[str]) -> int:
    """Prints each recipe with the first line of its docstring."""
    if arguments:
        return complain(f"error: recipes takes no arguments, got {' '.join(arguments)}")
    table = Table("recipe", "what it is", box=None)
    for name, function in recipes().items():
        table.add_row(name, summary(function))
    Console().print(table)
    return OK
