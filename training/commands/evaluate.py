"""`evaluate`: measure a run or a bundle."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from service.inference.execution import Device
from training.commands.options import OK, Options, parse
from training.config import DataSet


class EvaluateOptions(Options):
    """Measures a run or a bundle: OKS AP and AR, or box AP for a detector, and what is behind."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training evaluate")

    model: CliPositionalArg[Path] = Field(description="A run's or bundle's folder, or .onnx file.")
    data: str = Field(description="COCO file: annotations.json[:images].")
    detector: Path | None = Field(default=None, description="Take boxes from this detector.")
    flip_test: bool = Field(default=False, description="Average with mirrored crops.")
    min_height_px: float = Field(default=0.0, ge=0, description="Ignore smaller people's boxes.")
    min_person_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Tell kinds of errors for answers with this score; else where F1 is best.",
    )
    save_errors: Path | None = Field(
        default=None, description="Draw the worst cases into this folder, by kind of error."
    )
    device: Device = Field(default="auto", description="Of a bundle: auto, cpu or cuda.")
    details: bool = Field(default=False, description="Print all tables.")
    json_: bool = Field(default=False, alias="json", description="Print everything as JSON.")


def run(arguments: Sequence[str]) -> int:
    """Measures and prints."""
    options = parse(EvaluateOptions, arguments)
    from training.evaluate import run_evaluate

    run_evaluate(
        options.model,
        DataSet.model_validate(options.data),
        detector=options.detector,
        flip_test=options.flip_test,
        min_height_px=options.min_height_px,
        min_person_score=options.min_person_score,
        save_errors=options.save_errors,
        device=options.device,
        details=options.details,
        as_json=options.json_,
    )
    return OK
