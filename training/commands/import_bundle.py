"""`import-bundle`: make starting weights from a bundle."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from training.changes import architecture_flags
from training.commands.options import OK, Options, parse
from training.config import DataSet
from training.recipes import recipes


class ImportBundleOptions(Options):
    """Turns a bundle back into weights, so that training can go on from a model that ships."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training import-bundle")

    bundle: CliPositionalArg[Path] = Field(
        description="Folder with model.onnx in fp32, such as models/pose-mobilenetv2/1."
    )
    data: str = Field(
        description="COCO file of people, for batch statistics and to compare the answers on: "
        "annotations.json or annotations.json:images."
    )
    output: Path = Field(description="File to write, ending in .weights.h5.")


def run(arguments: Sequence[str]) -> int:
    """Imports and says how to go on."""
    options = parse(ImportBundleOptions, arguments)
    from training.import_bundle import import_bundle

    config, difference = import_bundle(
        options.bundle, DataSet.model_validate(options.data), options.output
    )
    print(
        f"The answers are those of {options.bundle} up to {difference.pixels:.3f} px and "
        f"{difference.score:.4f} in score."
    )
    start = ["--backbone-weights", "none", "--init-weights", str(options.output)]
    if config.recipe in recipes():
        words = ["--recipe", config.recipe, *architecture_flags(config), *start]
        print(f"wrote {options.output}: train with {shlex.join(words)}")
    else:
        print(
            f"wrote {options.output}: its recipe {config.recipe} is not known here; train with "
            f"the input, backbone, neck, head and codec in the card and {shlex.join(start)}"
        )
    return OK
