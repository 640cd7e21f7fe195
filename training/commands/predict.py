"""`predict`: draw the people in pictures."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from service.inference.execution import Device
from training.commands.options import FOUND_PROBLEMS, OK, Options, parse
from training.config import DataSet


class PredictOptions(Options):
    """Draws the people in pictures and writes COCO results; exit code 1 if a picture is broken."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training predict")

    model: CliPositionalArg[Path] = Field(description="A run's or bundle's folder, or .onnx file.")
    pictures: CliPositionalArg[list[Path]] = Field(
        default=[], description="Files, and folders with their subfolders."
    )
    output: Path = Field(description="Folder for the drawings, results.json and images.json.")
    detector: Path | None = Field(
        default=None, description="Finds the people for a keypoint network: a run or a bundle."
    )
    data: str | None = Field(
        default=None,
        description="Instead of pictures: annotations.json[:images], whose boxes are taken.",
    )
    min_person_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Who scores less is left out. Else 0.15, for boxes alone 0.3, for --data 0.",
    )
    min_joint_score: float = Field(default=0.3, ge=0, le=1, description="For a joint to be drawn.")
    device: Device = Field(default="auto", description="For bundles; a run takes Keras' device.")
    force: bool = Field(default=False, description="Write into a folder that is not empty.")


def run(arguments: Sequence[str]) -> int:
    """Predicts and says what was found."""
    options = parse(PredictOptions, arguments)
    from training.predict import run_predict

    done = run_predict(
        options.model,
        options.pictures,
        options.output,
        detector=options.detector,
        data=None if options.data is None else DataSet.model_validate(options.data),
        min_person_score=options.min_person_score,
        min_joint_score=options.min_joint_score,
        device=options.device,
        force=options.force,
    )
    broken = f", not usable: {done.broken}" if done.broken else ""
    print(f"pictures: {done.pictures}, people: {done.people}{broken}; see {options.output}")
    return FOUND_PROBLEMS if done.broken else OK
