"""`import-movenet`: make starting weights from MoveNet Lightning or Thunder."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import OK, Options, parse
from training.config import DataSet


class ImportMovenetOptions(Options):
    """Makes starting weights from MoveNet Lightning or Thunder (Apache-2.0)."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training import-movenet")

    model: CliPositionalArg[Path] = Field(
        description="movenet-lightning.json or movenet-thunder.json, .bin beside it."
    )
    recipe: str = Field(
        default="mobilenetv2-heatmap",
        description="Of Lightning's shape; mobilenetv2-wide-heatmap for Thunder.",
    )
    data: str = Field(description="COCO file of people, for batch statistics.")
    output: Path = Field(description="File to write, ending in .weights.h5.")


def run(arguments: Sequence[str]) -> int:
    """Imports and says where."""
    options = parse(ImportMovenetOptions, arguments)
    from training.movenet import import_movenet

    import_movenet(
        options.model, DataSet.model_validate(options.data), options.output, options.recipe
    )
    print(f"wrote {options.output}: start with --init-weights {options.output}")
    return OK
