"""`check-data`: say what is wrong with COCO files."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import FOUND_PROBLEMS, OK, Options, parse
from training.config import DataSet


class CheckDataOptions(Options):
    """Says in words what is wrong with COCO files; exit code 1 if there are errors.

    Several files are also compared: pictures to train on should not be in those to measure on.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m training check-data")

    data: CliPositionalArg[list[str]] = Field(
        min_length=1, description="annotations.json[:images], one or more."
    )
    report: Path | None = Field(
        default=None, description="Write an HTML page with label previews and plots."
    )
    previews: int = Field(default=24, ge=0, description="People shown of each set in the page.")
    seed: int = Field(default=0, ge=0, description="Which people are shown.")
    json_: bool = Field(default=False, alias="json", description="Print JSON.")


def run(arguments: Sequence[str]) -> int:
    """Checks and prints the findings."""
    options = parse(CheckDataOptions, arguments)
    from training.data.checks import check_sets
    from training.data.findings_text import findings_json, print_findings

    checked = check_sets([DataSet.model_validate(text) for text in options.data])
    if options.json_:
        print(json.dumps(findings_json(checked), indent=2))
    else:
        print_findings(checked)
    if options.report is not None:
        from training.data.report import write_report

        write_report(checked, options.report, previews=options.previews, seed=options.seed)
    return FOUND_PROBLEMS if checked.has_errors() else OK
