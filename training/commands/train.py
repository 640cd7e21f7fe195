"""`train`: train a network, or go on with a run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.commands.options import OK, complain

_PROGRAM = "python -m training train"


def run(arguments: Sequence[str]) -> int:
    """Trains and says where the best weights are."""
    run_flags = argparse.ArgumentParser(prog=_PROGRAM, add_help=False, allow_abbrev=False)
    run_flags.add_argument("--recipe", default="mobilenetv2-heatmap", help="see `recipes`")
    run_flags.add_argument("--config", type=Path, help="TOML file with the fields below")
    run_flags.add_argument("--output", type=Path, help="folder of the run")
    run_flags.add_argument("--resume", action="store_true", help="go on with the run in --output")
    known, rest = run_flags.parse_known_args(arguments)
    if {"-h", "--help"} & set(rest):
        run_flags.print_help()
        print("\nevery field of the configuration, as the recipe and file leave them:\n")
    from training.settings import parse_config

    config = parse_config(rest, known.recipe, known.config, _PROGRAM)
    if known.output is None:
        return complain("error: --output: name the folder of the run, for example runs/first")
    from training.fit import resume, train

    try:
        finished = resume(known.output) if known.resume else train(config, known.output)
    except KeyboardInterrupt:
        print(f"go on with: {_PROGRAM} --resume --output {known.output}", file=sys.stderr)
        raise
    print(f"best weights: {finished.best_weights}")
    return OK
