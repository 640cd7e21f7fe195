"""The command line of training: one verb per function."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliPositionalArg,
    SettingsConfigDict,
    SettingsError,
)
from rich.console import Console
from rich.table import Table

from service.inference.errors import PoseError
from service.inference.validation import first_problem
from training.config import DataSet, Weights

OK, WRONG_INPUT, INTERRUPTED = 0, 2, 130
_USAGE = """\
usage: python -m training COMMAND [--help]

Teaches networks to find people and their joints, and writes ONNX bundles.

commands:
  train          train a network, or resume a run
  evaluate       measure a run or a bundle on a COCO file
  export         write a run as a bundle that the service loads
  recipes        list the recipes
  check-data     say what is wrong with a COCO file
  import-movenet make starting weights from MoveNet Lightning"""
_TRAIN = "python -m training train"


class _Options(BaseSettings):
    model_config = SettingsConfigDict(
        cli_kebab_case=True, cli_implicit_flags=True, cli_hide_none_type=True, extra="forbid"
    )


class EvaluateOptions(_Options):
    """Measures a run or a bundle: OKS AP and AR, or box AP for a detector."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training evaluate")

    model: CliPositionalArg[Path] = Field(description="A run's or bundle's folder, or .onnx file.")
    data: str = Field(description="COCO file: annotations.json[:images].")
    detector: Path | None = Field(default=None, description="Take boxes from this detector.")
    flip_test: bool = Field(default=False, description="Average with mirrored crops.")
    min_height_px: float = Field(default=0.0, ge=0, description="Ignore smaller people's boxes.")
    json_: bool = Field(default=False, alias="json", description="Print JSON.")


class ExportOptions(_Options):
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


class CheckDataOptions(_Options):
    """Says in words what is wrong with a COCO file; exit code 1 if there are errors."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training check-data")

    data: CliPositionalArg[str] = Field(description="annotations.json[:images].")
    json_: bool = Field(default=False, alias="json", description="Print JSON.")


class ImportMovenetOptions(_Options):
    """Makes starting weights for `mobilenetv2-heatmap` from MoveNet Lightning (Apache-2.0)."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training import-movenet")

    model: CliPositionalArg[Path] = Field(description="movenet-lightning.json, .bin beside it.")
    backbone_weights: Path = Field(description="MoveNet's backbone as MobileNetV2 weights.")
    data: str = Field(description="COCO file of people, for batch statistics.")
    output: Path = Field(description="File to write, ending in .weights.h5.")


S = TypeVar("S", bound=_Options)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: without the program's name; by default the process's.

    Returns:
        The exit code: 0; 1 for findings or a failed gate; 2 for wrong input, named on stderr.
    """
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except (PoseError, SettingsError) as error:
        return _complain(f"error: {error}")
    except ValidationError as error:
        return _complain(f"error: {first_problem(error)}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case ["train", *rest]:
            return _train(rest)
        case ["evaluate", *rest]:
            return _run(EvaluateOptions, rest, _evaluate)
        case ["export", *rest]:
            return _run(ExportOptions, rest, _export)
        case ["recipes"]:
            return _list_recipes()
        case ["check-data", *rest]:
            return _run(CheckDataOptions, rest, _check_data)
        case ["import-movenet", *rest]:
            return _run(ImportMovenetOptions, rest, _import_movenet)
        case ["-h" | "--help"]:
            print(_USAGE)
            return OK
        case _:
            return _complain(_USAGE)


def _run(options: type[S], arguments: list[str], command: Callable[[S], int]) -> int:
    return command(CliApp.run(options, cli_args=arguments))


def _train(arguments: list[str]) -> int:
    run_flags = argparse.ArgumentParser(prog=_TRAIN, add_help=False, allow_abbrev=False)
    run_flags.add_argument("--recipe", default="mobilenetv2-heatmap", help="see `recipes`")
    run_flags.add_argument("--config", type=Path, help="TOML file with the fields below")
    run_flags.add_argument("--output", type=Path, help="folder of the run")
    run_flags.add_argument("--resume", action="store_true", help="go on with the run in --output")
    known, rest = run_flags.parse_known_args(arguments)
    if {"-h", "--help"} & set(rest):
        run_flags.print_help()
        print("\nevery field of the configuration, as the recipe and file leave them:\n")
    from training.settings import parse_config

    config = parse_config(rest, known.recipe, known.config, _TRAIN)
    if known.output is None:
        return _complain("error: --output: name the folder of the run, for example runs/first")
    from training.fit import resume, train

    try:
        run = resume(known.output) if known.resume else train(config, known.output)
    except KeyboardInterrupt:
        print(f"go on with: {_TRAIN} --resume --output {known.output}", file=sys.stderr)
        raise
    print(f"best weights: {run.best_weights}")
    return OK


def _evaluate(options: EvaluateOptions) -> int:
    from training.evaluate import run_evaluate

    run_evaluate(
        options.model,
        DataSet.model_validate(options.data),
        detector=options.detector,
        flip_test=options.flip_test,
        min_height_px=options.min_height_px,
        as_json=options.json_,
    )
    return OK


def _export(options: ExportOptions) -> int:
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


def _check_data(options: CheckDataOptions) -> int:
    from training.data.checks import run_check_data

    return run_check_data(DataSet.model_validate(options.data), as_json=options.json_)


def _import_movenet(options: ImportMovenetOptions) -> int:
    from training.movenet import import_movenet

    import_movenet(
        options.model,
        options.backbone_weights,
        DataSet.model_validate(options.data),
        options.output,
    )
    print(f"wrote {options.output}: start with --init-weights {options.output}")
    return OK


def _list_recipes() -> int:
    from training.recipes import recipes, summary

    table = Table("recipe", "what it is", box=None)
    for name, function in recipes().items():
        table.add_row(name, summary(function))
    Console().print(table)
    return OK


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return WRONG_INPUT
