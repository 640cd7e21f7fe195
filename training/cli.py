"""The command line of training: finds the verb and turns errors into sentences."""

import importlib
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import SettingsError

from service.inference.errors import PoseError
from service.inference.validation import first_problem
from training.commands.options import INTERRUPTED, OK, complain

_VERBS = {
    "train": "train a network, or resume a run",
    "evaluate": "measure a run or a bundle on a COCO file",
    "export": "write a run as a bundle that the service loads, or a bundle in fp16 or int8",
    "report": "write one page about a run or a bundle",
    "predict": "find people in pictures, draw them and keep the results",
    "benchmark": "time a run or a bundle per batch size",
    "info": "say what a run or a bundle is, how large and how much work",
    "slim": "make starting weights of a smaller network from a run",
    "average": "make starting weights from the mean of several runs",
    "recipes": "list the recipes",
    "attention": "draw where a network with attention looks",
    "convert": "write another tool's labels as a COCO file",
    "check-data": "say what is wrong with a COCO file",
    "import-bundle": "make starting weights from a bundle, such as one that ships",
    "import-movenet": "make starting weights from MoveNet",
}


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
        return complain(f"error: {error}")
    except ValidationError as error:
        return complain(f"error: {first_problem(error)}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case ["-h" | "--help"]:
            print(_usage())
            return OK
        case [verb, *rest] if verb in _VERBS:
            # Imported when asked for: `--help` must not wait for TensorFlow.
            command = importlib.import_module(f"training.commands.{verb.replace('-', '_')}")
            return command.run(rest)
        case _:
            return complain(_usage())


def _usage() -> str:
    width = max(map(len, _VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {text}" for verb, text in _VERBS.items())
    return (
        "usage: python -m training COMMAND [--help]\n\n"
        "Teaches networks to find people and their joints, and writes ONNX bundles.\n\n"
        f"commands:\n{verbs}"
    )
