"""`average`: make starting weights from the mean of several runs."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import OK, Options, parse
from training.config import Weights


class AverageOptions(Options):
    """Averages the weights of runs that were trained on from one another or the same weights."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training average")

    runs: CliPositionalArg[list[Path]] = Field(description="Folders of at least two runs.")
    weights: Weights = Field(default="best", description="Of the runs: best, final or raw.")
    output: Path = Field(description="File to write, ending in .weights.h5.")


def run(arguments: Sequence[str]) -> int:
    """Writes the weights and says how to go on."""
    options = parse(AverageOptions, arguments)
    from training.average import average_runs

    average_runs(options.runs, options.output, options.weights)
    print(f"wrote {options.output}: train on with --init-weights {options.output}")
    return OK
