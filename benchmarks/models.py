"""What the bundles of a pipeline cost: `python -m benchmarks.models`, one ONNX Runtime thread.

Each network and, in turns with it, the classifier MobileNetV2 (width 1, 1,000 classes) on an input
of the same size, as a unit of what this machine can do, for each size that the network takes.
Bundles: those of the pipelines, or given.
Then, in turns with each other, the networks of each pipeline for a picture of one and of three
people.
"""

import logging
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import onnx
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from rich.console import Console
from rich.table import Table

from service.inference.execution import Execution
from service.inference.session import Session, open_session
from service.inference.types import Floats, Size
from training.onnx_graph import to_onnx

# These packages have no types: what is taken from them is Any.
_onnx, _runtime = cast("Any", onnx), cast("Any", onnxruntime)
_MODELS = Path("models")
_PEOPLE = (1, 3)
_WARM_UP_RUNS = 5
_ROUNDS = 150

Pipelines = Mapping[str, Mapping[str, object]]


def main(arguments: Sequence[str]) -> None:
    """Prints median milliseconds, the classifier's, the ratio of each round, and file sizes."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    table = Table(title="one run on one thread, medians")
    for heading in ("bundle", "input", "ms", "MobileNetV2 ms", "ratio", "MB"):
        table.add_column(heading, justify="left" if heading == "bundle" else "right")
    pipelines = tomllib.loads((_MODELS / "pipelines.toml").read_text())
    for reference in arguments or _bundles(pipelines):
        file = _MODELS / reference / "model.onnx"
        session = open_session(file, Execution(device="cpu", threads=1))
        for size in session.card.sizes:
            own, other = _in_turns(_run_of(session, size), _run_of_classifier(size))
            table.add_row(
                reference,
                f"{size.height}x{size.width}",
                f"{np.median(own) * 1e3:.2f}",
                f"{np.median(other) * 1e3:.2f}",
                f"{np.median(own / other):.2f}",
                f"{file.stat().st_size / 1e6:.1f}",
            )
    Console().print(table)
    if not arguments:
        Console().print(_compared(pipelines))


def _bundles(pipelines: Pipelines) -> list[str]:
    names = [str(one[role]) for one in pipelines.values() for role in ("detector", "keypoints")]
    return list(dict.fromkeys(names))


def _compared(pipelines: Pipelines) -> Table:
    """Detector and keypoint network together, against the first pipeline."""
    table = Table(title="both networks for one picture, one thread, medians")
    for heading in ("pipeline", "people", "ms", "the first / this"):
        table.add_column(heading, justify="left" if heading == "pipeline" else "right")
    opened = [_open(pair) for pair in pipelines.values()]
    for people in _PEOPLE:
        seconds = _in_turns(*(_run_of_pair(*pair, people) for pair in opened))
        for name, own in zip(pipelines, seconds, strict=True):
            ratio = np.median(seconds[0] / own)
            table.add_row(name, f"{people}", f"{np.median(own) * 1e3:.2f}", f"{ratio:.2f}")
    return table


def _open(pair: Mapping[str, object]) -> tuple[Session, Session]:
    execution = Execution(device="cpu", threads=1)
    detector, keypoints = (
        open_session(_MODELS / str(pair[role]) / "model.onnx", execution)
        for role in ("detector", "keypoints")
    )
    return detector, keypoints


def _run_of_pair(detector: Session, keypoints: Session, people: int) -> Callable[[], object]:
    detect = _run_of(detector, detector.card.input.size)
    estimate = _run_of(keypoints, keypoints.card.input.size, people)
    return lambda: (detect(), estimate())


def _run_of(session: Session, size: Size, batch: int = 1) -> Callable[[], object]:
    pictures = np.repeat(_noise(size), batch, axis=0)
    return lambda: session.run(pictures)


def _run_of_classifier(size: Size) -> Callable[[], object]:
    """With its normalisation inside, as our networks have it."""
    image = keras.Input((size.height, size.width, 3), dtype="uint8", name="image")
    classifier = keras.applications.MobileNetV2(
        input_shape=(size.height, size.width, 3), weights=None
    )
    scores = classifier(keras.layers.Rescaling(1 / 127.5, offset=-1)(image))
    model = to_onnx(keras.Model(image, {"scores": keras.layers.Identity(name="scores")(scores)}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.onnx"
        _onnx.save(model, path)
        options = _runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = _runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    picture = _noise(size)
    return lambda: session.run(None, {"image": picture})


def _noise(size: Size) -> Any:
    return np.random.default_rng(0).integers(0, 256, (1, size.height, size.width, 3), np.uint8)


def _in_turns(*runs: Callable[[], object]) -> list[Floats]:
    """Seconds of each round, after a warm-up, for each of the runs."""
    seconds = np.empty((len(runs), _WARM_UP_RUNS + _ROUNDS))
    for turn in range(_WARM_UP_RUNS + _ROUNDS):
        for place, run in enumerate(runs):
            started = time.perf_counter()
            run()
            seconds[place, turn] = time.perf_counter() - started
    return list(seconds[:, _WARM_UP_RUNS:])


if __name__ == "__main__":
    main(sys.argv[1:])
