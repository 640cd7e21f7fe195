"""`report`: one page about a run or a bundle."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from service.inference.execution import Device
from training.commands.options import OK, Options, parse
from training.config import DataSet


class ReportOptions(Options):
    """Writes one self-contained HTML page: curves, figures, errors, samples, configuration."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training report")

    model: CliPositionalArg[Path] = Field(
        description="A run's folder, finished or not, a bundle's folder or an .onnx file."
    )
    data: str | None = Field(
        default=None, description="Measure on annotations.json[:images]; else the run's own set."
    )
    detector: Path | None = Field(
        default=None, description="Measure joints end to end with this detector."
    )
    output: Path | None = Field(
        default=None, description="The page. Else report.html in the run's folder."
    )
    samples: int = Field(
        default=6, ge=0, description="Pictures in each row of samples; 0 leaves them out."
    )
    device: Device = Field(default="auto", description="For bundles; a run takes Keras' device.")


def run(arguments: Sequence[str]) -> int:
    """Writes the page and says where."""
    options = parse(ReportOptions, arguments)
    from training.report.report import write_report

    page = write_report(
        options.model,
        data=None if options.data is None else DataSet.model_validate(options.data),
        detector=options.detector,
        output=options.output,
        samples=options.samples,
        device=options.device,
    )
    print(f"wrote {page}")
    return OK
