"""The verb `info`: what a run or a bundle is, how large and how much work."""

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import onnx
from rich.console import Console
from rich.table import Table

from service.inference.card import Precision
from service.inference.execution import Execution
from service.inference.session import open_session
from service.inference.types import Size
from training.complexity import complexity
from training.open_model import onnx_file
from training.run_log import VALIDATION_PREFIX, read_log

if TYPE_CHECKING:
    from training.run import Run

# JSON has all of them.
_SHOWN_FIGURES = ("AP", "AP50", "AP75", "AR")
_onnx = cast("Any", onnx)


@dataclass(frozen=True, slots=True)
class Information:
    """What a run or a bundle is.

    Attributes:
        kind: `run` or `bundle`.
        name: and version.
        task: of the network.
        input: `HEIGHTxWIDTH` in pixels, one or several.
        keypoints: names of the joints; empty for a detector.
        recipe: of training.
        parameters: of a run as Keras counts them; of a bundle as `training.complexity` does, with
            batch normalisations folded into convolutions.
        macs: multiply-adds for an input of the first size; None for a run on another backend than
            TensorFlow.
        file_bytes: of the ONNX file or of the run's best weights; None where there are none yet.
        opset: of the ONNX file.
        precision: in which the layers of the ONNX file compute; None for a run.
        epochs_done: of a run.
        epochs: that a run will have.
        data: names of the training sets.
        metrics: of the card, or the best epoch's of a run's log.
    """

    kind: Literal["run", "bundle"]
    name: str
    task: str
    input: str
    keypoints: tuple[str, ...]
    recipe: str
    parameters: int
    macs: int | None
    file_bytes: int | None
    opset: int | None
    precision: Precision | None
    epochs_done: int | None
    epochs: int | None
    data: tuple[str, ...]
    metrics: dict[str, float]


def run_info(path: Path, *, as_json: bool = False) -> Information:
    """Describes the run or bundle at a path and prints it.

    Args:
        path: folder of a run or a bundle, or an ONNX file.
        as_json: print JSON instead of a table.

    Raises:
        InvalidData: the path is neither.
        InvalidBundle: the bundle cannot be used.
    """
    file = onnx_file(path)
    information = describe_run(path) if file is None else describe_bundle(file)
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(information), indent=2) + "\n")
    else:
        _print_information(information)
    return information


def describe_bundle(file: Path) -> Information:
    """What an ONNX file with a card is.

    Raises:
        InvalidBundle: it cannot be used.
    """
    card = open_session(file, Execution(device="cpu")).card
    model: onnx.ModelProto = _onnx.load(str(file))
    cost = complexity(model, card.input.size)
    return Information(
        kind="bundle",
        name=card.reference,
        task=card.task,
        input=_sizes(card.sizes),
        keypoints=card.skeleton.names if card.skeleton else (),
        recipe=card.recipe,
        parameters=cost.parameters,
        macs=cost.macs,
        file_bytes=file.stat().st_size,
        opset=next(entry.version for entry in model.opset_import if not entry.domain),
        precision=card.precision,
        epochs_done=None,
        epochs=None,
        data=tuple(f"{data.name} ({data.samples})" for data in card.data),
        metrics=card.metrics,
    )


def describe_run(folder: Path) -> Information:
    """What a run is, and how far it is.

    Raises:
        InvalidData: the folder holds no run.
    """
    # Imported for runs only: a bundle needs no Keras, whose import takes seconds.
    from training.bundle import data_name
    from training.run import open_run

    run = open_run(folder)
    log = read_log(folder)
    best = log.best() or {}
    parameters, macs = _cost(run)
    weights = run.best_weights
    return Information(
        kind="run",
        name=f"{run.config.model_name}/{run.config.model_version}",
        task=run.config.task,
        input=_sizes([one.size for one in (run.config.input, *run.config.other_inputs)]),
        keypoints=run.skeleton.names if run.skeleton else (),
        recipe=run.config.recipe,
        parameters=parameters,
        macs=macs,
        file_bytes=weights.stat().st_size if weights.is_file() else None,
        opset=None,
        precision=None,
        # The log is written before the checkpoint.
        epochs_done=max(run.epochs_done(), log.epochs_done),
        epochs=run.config.epochs,
        data=tuple(data_name(data) for data in run.config.data.train),
        metrics={
            name.removeprefix(VALIDATION_PREFIX): value
            for name, value in best.items()
            if name.startswith(VALIDATION_PREFIX)
        },
    )


def _sizes(sizes: Sequence[Size]) -> str:
    return ", ".join(f"{size.height}x{size.width}" for size in sizes)


def _cost(run: "Run") -> tuple[int, int | None]:
    """Parameters and multiply-adds, also of a run that has no weights yet."""
    import keras

    from training.networks.build import with_decoder
    from training.onnx_graph import to_onnx
    from training.run import empty_network

    network = empty_network(run.config, run.skeleton)
    if keras.backend.backend() != "tensorflow":
        return network.count_params(), None
    return network.count_params(), complexity(to_onnx(with_decoder(network, run.config))).macs


def _print_information(information: Information) -> None:
    console = Console(highlight=False)
    console.print(f"{information.kind} {information.name}", style="bold", markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, text in _rows(information):
        table.add_row(name, text)
    console.print(table)


def _rows(information: Information) -> Iterator[tuple[str, str]]:
    yield "task", information.task
    yield "input", f"{information.input} pixels (height x width)"
    if information.keypoints:
        yield "keypoints", f"{len(information.keypoints)}: {', '.join(information.keypoints)}"
    yield "recipe", information.recipe
    yield "parameters", f"{information.parameters / 1e6:.2f} M"
    if information.macs is not None:
        macs = information.macs / 1e6
        yield "multiply-adds", f"{macs:.0f} M an input ({2 * macs / 1e3:.2f} GFLOP)"
    if information.file_bytes is not None:
        yield "file", f"{information.file_bytes / 2**20:.1f} MiB"
    if information.precision is not None:
        yield "precision", information.precision
    if information.opset is not None:
        yield "ONNX opset", str(information.opset)
    if information.epochs is not None:
        yield "epochs", f"{information.epochs_done} of {information.epochs}"
    yield "trained on", ", ".join(information.data) or "not recorded"
    for name, value in information.metrics.items():
        if name.rpartition("/")[2] in _SHOWN_FIGURES:
            yield name, f"{value:.3f}"
