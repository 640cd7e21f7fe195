"""`slim`: make starting weights of a smaller network from a trained one."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import OK, Options, parse
from training.config import DataSet, Weights


class SlimOptions(Options):
    """Takes the least used channels out of a run's blocks; it must then be trained on."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training slim")

    run: CliPositionalArg[Path] = Field(description="Folder of the run.")
    expansion: float | None = Field(
        default=None, description="Of MobileNetV2's blocks, below the run's; the usual is 6."
    )
    refine_expansion: float | None = Field(
        default=None, description="Of the pyramid's 5x5 blocks, below the run's; the usual is 4."
    )
    deep_channels: int | None = Field(
        default=None, description="Of the pyramid's deep convolution, below the run's."
    )
    data: str = Field(description="COCO file whose samples tell which channels are used.")
    weights: Weights = Field(default="best", description="Of the run: best, final or raw.")
    output: Path = Field(description="File to write, ending in .weights.h5.")


def run(arguments: Sequence[str]) -> int:
    """Writes the weights and says how to go on."""
    options = parse(SlimOptions, arguments)
    from training.slim import slim_run

    slim_run(
        options.run,
        DataSet.model_validate(options.data),
        options.output,
        expansion=options.expansion,
        refine_expansion=options.refine_expansion,
        deep_channels=options.deep_channels,
        weights=options.weights,
    )
    changed = {
        "--backbone.expansion": options.expansion,
        "--neck.refine-expansion": options.refine_expansion,
        "--neck.deep-channels": options.deep_channels,
    }
    flags = [f"{flag} {value:g}" for flag, value in changed.items() if value is not None]
    print(f"wrote {options.output}: train with {' '.join(flags)} --init-weights {options.output}")
    return OK
