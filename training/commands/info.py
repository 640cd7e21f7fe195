"""`info`: describe a run or a bundle."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import OK, Options, parse


class InfoOptions(Options):
    """Says what a run or a bundle is: task, size, parameters, multiply-adds, data, figures."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training info")

    path: CliPositionalArg[Path] = Field(description="A run's or bundle's folder, or .onnx file.")
    json_: bool = Field(default=False, alias="json", description="Print JSON.")


def run(arguments: Sequence[str]) -> int:
    """Describes and prints."""
    options = parse(InfoOptions, arguments)
    from training.info import run_info

    run_info(options.path, as_json=options.json_)
    return OK
