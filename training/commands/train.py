"""`train`: train a network, or go on with a run."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from service.inference.errors import InvalidInput
from training.commands.options import OK, complain

if TYPE_CHECKING:
    from training.run import Run

_PROGRAM = "python -m training train"
_MAY_CHANGE = ("--data.workers", "--devices", "--checkpoint-minutes")
"""Flags that do not change what a run computes."""


class _RunFlags(argparse.Namespace):
    recipe: str | None
    config: Path | None
    output: Path | None
    resume: bool
    max_minutes: float | None
    dry_run: bool


def run(arguments: Sequence[str]) -> int:
    """Trains and says where the best weights are."""
    flags = _run_flags()
    try:
        known, rest = flags.parse_known_args(arguments, _RunFlags())
    except argparse.ArgumentError as error:
        raise InvalidInput(str(error)) from error
    asks_help = bool({"-h", "--help"} & set(rest))
    if asks_help:
        flags.print_help()
        print("\nevery field of the configuration, as the recipe and file leave them:\n")
    elif known.resume:
        return _resume(known, rest)
    from training.settings import parse_config

    config = parse_config(rest, known.recipe, known.config, _PROGRAM)
    if known.dry_run:
        from training.dry_run import dry_run

        print(dry_run(config), end="")
        return OK
    from training.fit import train

    output = _output(known)
    return _fit(output, lambda: train(config, output, max_minutes=known.max_minutes))


def _run_flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog=_PROGRAM, add_help=False, allow_abbrev=False, exit_on_error=False
    )
    flags.add_argument("--recipe", help="see `recipes`")
    flags.add_argument("--config", type=Path, help="TOML file with the fields below")
    flags.add_argument("--output", type=Path, help="folder of the run")
    flags.add_argument("--resume", action="store_true", help="go on with the run in --output")
    flags.add_argument("--max-minutes", type=_minutes, help="then save and end; --resume goes on")
    flags.add_argument(
        "--dry-run",
        action="store_true",
        help="print the configuration for --config, with memory and time; train nothing",
    )
    return flags


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _output(known: _RunFlags) -> Path:
    if known.output is None:
        raise InvalidInput("--output: name the folder of the run, for example runs/first")
    return known.output


def _resume(known: _RunFlags, rest: Sequence[str]) -> int:
    """With the run's own configuration, in which only a few things may differ."""
    output = _output(known)
    named = [("--recipe", known.recipe), ("--config", known.config), ("--dry-run", known.dry_run)]
    given = [name for name, value in named if value]
    given += [argument.partition("=")[0] for argument in rest if argument.startswith("--")]
    refused = [flag for flag in given if flag not in _MAY_CHANGE]
    if refused:
        raise InvalidInput(
            f"--resume goes on with the run's own configuration and takes no {', '.join(refused)}; "
            f"only {', '.join(_MAY_CHANGE)} and --max-minutes may change. For other values, or to "
            f"train longer, start a new run with --init-weights {output}/final.weights.h5"
        )
    from training.fit import resume
    from training.run import open_run
    from training.settings import override

    begun = open_run(output)
    begun = replace(begun, config=override(begun.config, rest, _PROGRAM))
    return _fit(output, lambda: resume(begun, max_minutes=known.max_minutes))


def _fit(output: Path, work: Callable[[], "Run"]) -> int:
    """Says how to go on where the work ends early."""
    from training.failures import TrainingFailed
    from training.stopping import Stopped

    go_on = f"go on with: {_PROGRAM} --resume --output {output}"
    try:
        finished = work()
    except Stopped as stopped:
        print(f"{stopped}\n{go_on}", file=sys.stderr)
        return stopped.exit_code
    except TrainingFailed as error:
        saved = any((output / "checkpoints").glob("step-*.npz"))
        return complain(f"error: {error}" + (f"\n{go_on}" if saved else ""))
    print(f"best weights: {finished.best_weights}")
    return OK
