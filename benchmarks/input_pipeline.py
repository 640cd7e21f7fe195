"""Samples per second of the input pipeline alone against what a training step takes.

`python -m benchmarks.input_pipeline`, or with own data
`python -m benchmarks.input_pipeline --data TRAIN.json --workers 8`. Both are measured in turns, so
that a busy machine slows both; a round's ratio is the pipeline's rate over that of the step next to
it.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import skimage.data
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict
from rich.console import Console
from rich.table import Table

from service.inference.cores import available_cores
from service.inference.errors import PoseError
from service.inference.types import Pixels
from service.inference.validation import first_problem
from training.config import DataSet, TrainConfig
from training.data.coco import read_coco
from training.data.stream import stream
from training.fit import make_batches
from training.learning.learner import make_learner
from training.recipes import recipe
from training.skeletons import COCO

_GENERATED_SIDES_PX = (256, 640, 3000)
_GENERATED_PICTURES = 24
_JPEG_QUALITY = 90


class PipelineBenchSettings(BaseSettings):
    """Times the input pipeline against the training step of a recipe, here without a GPU too."""

    model_config = SettingsConfigDict(
        cli_prog_name="python -m benchmarks.input_pipeline", cli_kebab_case=True
    )

    data: list[str] = Field(
        default=[],
        description="COCO files, annotations.json[:images]; by default generated photographs.",
    )
    recipe: str = Field(default="mobilenetv2-heatmap", description="A recipe for joints.")
    workers: int = Field(default=available_cores(), ge=1, description="Threads of the pipeline.")
    rounds: int = Field(default=5, ge=1, description="Turns of pipeline and step.")
    batches: int = Field(default=16, ge=1, description="Batches that the pipeline makes in a turn.")
    steps: int = Field(default=3, ge=1, description="Steps of a turn.")


def main() -> int:
    """Prints the rates and ratios; 2 for wrong input."""
    try:
        settings = CliApp.run(PipelineBenchSettings)
        with _data_sets(settings.data) as sets:
            Console().print(report(sets, settings))
    except ValidationError as error:
        print(f"error: {first_problem(error)}", file=sys.stderr)
    except PoseError as error:
        print(f"error: {error}", file=sys.stderr)
    else:
        return 0
    return 2


def report(sets: Sequence[tuple[str, DataSet]], settings: PipelineBenchSettings) -> Table:
    """One row for each set of pictures: median and extremes over the rounds."""
    config = recipe(settings.recipe).model_copy(update={"backbone_weights": "none"})
    size = f"{config.input.height}x{config.input.width}"
    table = Table(title=f"{settings.recipe} {size}, {settings.workers} threads, samples per second")
    for heading in ("pictures", "pipeline alone", "training step", "ratio"):
        table.add_column(heading, justify="left" if heading == "pictures" else "right")
    step = _training_step(config, settings.steps)
    for name, data in sets:
        pipeline = _pipeline(data, config, settings)
        rates = [(pipeline(), step()) for _ in range(settings.rounds)]
        fed, taken = np.array(rates).T
        table.add_row(name, _spread(fed), _spread(taken), _spread(fed / taken))
    return table


def _pipeline(
    data: DataSet, config: TrainConfig, settings: PipelineBenchSettings
) -> Callable[[], float]:
    """Makes the next batches as a run does; gives samples per second."""
    coco = read_coco(data)
    config = config.model_copy(update={"data": config.data.model_copy(update={"train": (data,)})})
    batches = make_batches([coco], config, coco.skeleton)
    turns = count()

    def make_all() -> None:
        start = next(turns) * settings.batches
        steps = range(start, start + settings.batches)
        with stream(batches.batch, steps, settings.workers) as made:
            for _ in made:
                pass

    make_all()  # Reads the files into the operating system's cache.
    return lambda: settings.batches * config.batch_size / _seconds(make_all)


def _training_step(config: TrainConfig, steps: int) -> Callable[[], float]:
    """Learns one batch again and again; gives samples per second."""
    learner = make_learner(config, COCO)
    rng = np.random.default_rng(0)
    height, width = config.input.height, config.input.width
    pixels = rng.integers(0, 256, (config.batch_size, height, width, 3), np.uint8)
    joints = rng.uniform((0, 0, 1), (width, height, 1), (config.batch_size, len(COCO.names), 3))
    batch = pixels, joints.astype(np.float32)
    float(learner.learn(*batch))

    def learn() -> None:
        for _ in range(steps):
            # To read the loss is to wait for the step.
            float(learner.learn(*batch))

    return lambda: steps * config.batch_size / _seconds(learn)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _spread(values: Sequence[float] | np.ndarray) -> str:
    return f"{np.median(values):.0f} ({np.min(values):.0f} to {np.max(values):.0f})"


@contextmanager
def _data_sets(files: Sequence[str]) -> Generator[list[tuple[str, DataSet]]]:
    """The given sets, or generated ones that exist as long as the context."""
    if files:
        sets = [DataSet.model_validate(text) for text in files]
        yield [(data.annotations.stem, data) for data in sets]
        return
    with tempfile.TemporaryDirectory() as folder:
        yield [
            (f"astronaut, {side} px", _generate(Path(folder) / str(side), side))
            for side in _GENERATED_SIDES_PX
        ]


def _generate(folder: Path, side_px: int) -> DataSet:
    """Photographs of 4:3 with one person each, in a box of random place and size."""
    rng = np.random.default_rng(side_px)
    folder.mkdir()
    category: dict[str, object] = {"id": 1, "name": "person", "keypoints": COCO.names}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(_GENERATED_PICTURES):
        pixels = _photograph(side_px, rng)
        name = f"{number}.jpg"
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        cv2.imwrite(os.fspath(folder / name), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
        images.append({"id": number, "file_name": name})
        annotations.append(_person(number, pixels.shape[0], pixels.shape[1], rng))
    document = {"images": images, "annotations": annotations, "categories": [category]}
    path = folder / "people.json"
    path.write_text(json.dumps(document))
    return DataSet(annotations=path, images=folder)


def _photograph(side_px: int, rng: np.random.Generator) -> Pixels:
    """A cut of a real photograph, its shorter side `side_px`."""
    astronaut = cast(Pixels, skimage.data.astronaut())
    left, top = rng.integers(0, 40, 2).tolist()
    cut = astronaut[top : top + 354, left : left + 472]
    size = (round(side_px * 4 / 3), side_px)
    return cv2.resize(cut, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def _person(number: int, height: int, width: int, rng: np.random.Generator) -> dict[str, object]:
    """A person who fills a third to all of the picture's height, joints anywhere in the box."""
    box_height = height * rng.uniform(0.33, 1.0)
    box_width = min(width, box_height * rng.uniform(0.3, 0.7))
    x, y = rng.uniform((0, 0), (width - box_width, height - box_height))
    joints = rng.uniform((x, y), (x + box_width, y + box_height), (len(COCO.names), 2))
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "bbox": [x, y, box_width, box_height],
        "num_keypoints": len(joints),
        "keypoints": np.insert(joints, 2, 2, axis=1).ravel().tolist(),
    }


if __name__ == "__main__":
    sys.exit(main())
