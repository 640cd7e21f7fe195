"""`check-data`: say what is wrong with a COCO file."""

from collections.abc import Sequence

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import Options, parse
from training.config import DataSet


class CheckDataOptions(Options):
    """Says in words what is wrong with a COCO file; exit code 1 if there are errors."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training check-data")

    data: CliPositionalArg[str] = Field(description="annotations.json[:images].")
    json_: bool = Field(default=False, alias="json", description="Print JSON.")


def run(arguments: Sequence[str]) -> int:
    """Checks and prints the findings."""
    options = parse(CheckDataOptions, arguments)
    from training.data.checks import run_check_data

    return run_check_data(DataSet.model_validate(options.data), as_json=options.json_)
