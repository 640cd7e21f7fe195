"""`export`: write a run as a bundle."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.commands.options import OK, Options, parse
from training.config import DataSet, Weights


class ExportOptions(Options):
    """Writes a run as a bundle, once the ONNX file answers and measures as Keras does."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training export")

    run: CliPositionalArg[Path] = Field(description="Folder of the run.")
    models_dir: Path = Field(default=Path("models"), description="Folder of the bundles.")
    weights: Weights = Field(
        default="best", description="Best on the validation set, or of the final epoch (averaged)."
    )
    name: str | None = Field(default=None, description="Of the bundle; else the run's model_name.")
    version: int | None = Field(default=None, description="Else the run's model_version.")
    val: str | None = Field(default=None, description="Measure here; else on the run's set.")
    detector: Path | None = Field(
        default=None, description="A detector's bundle: measure joints end to end as well."
    )
    licences: dict[str, str] = Field(
        default={}, description="Terms of the training sets for the card, as a JSON object by name."
    )
    force: bool = Field(default=False, description="Replace a bundle of that name and version.")


def run(arguments: Sequence[str]) -> int:
    """Exports and says where."""
    options = parse(ExportOptions, arguments)
    from training.export import export_run

    folder = export_run(
        options.run,
        options.models_dir,
        weights=options.weights,
        name=options.name,
        version=options.version,
        val=None if options.val is None else DataSet.model_validate(options.val),
        detector=options.detector,
        licences=options.licences,
        force=options.force,
    )
    print(f"wrote {folder}")
    return OK
