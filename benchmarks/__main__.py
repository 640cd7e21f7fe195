"""Times pictures through the pipeline, one after the other and without HTTP.

`make bench`, or `python -m benchmarks photo.jpg --device cuda --repeat 200`.
"""

import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import skimage.data
from pydantic import Field, ValidationError
from pydantic_settings import CliApp, CliPositionalArg, SettingsConfigDict
from rich.console import Console
from rich.table import Table

from service.inference.errors import PoseError
from service.inference.estimator import PoseEstimator
from service.inference.image import ImageLimits, decode_image
from service.inference.render import encode_image
from service.inference.repository import load_pipeline
from service.inference.types import Floats, Image, Pixels
from service.settings import PipelineSettings, explain

STAGES = ("decode", "detect", "keypoints", "total")
WARM_UP_RUNS = 5


class BenchSettings(PipelineSettings):
    """Times decoding, detection and keypoints for each picture."""

    model_config = SettingsConfigDict(cli_prog_name="python -m benchmarks")

    pictures: CliPositionalArg[list[Path]] = Field(
        default=[], description="Picture files; by default a photograph of an astronaut, 512x512."
    )
    threads: int = Field(default=1, ge=1, description="Threads of one run on the CPU.")
    repeat: int = Field(default=50, ge=1, description="Timed runs of each picture.")


def main() -> int:
    """Prints a table of median and 90th percentile in milliseconds; 2 for wrong input."""
    try:
        settings = CliApp.run(BenchSettings)
        estimator = load_pipeline(
            settings.models_dir,
            settings.pipeline,
            settings.execution(threads=settings.threads),
        )
        Console().print(report(estimator, settings))
    except ValidationError as error:
        return complain(explain(error))
    except (OSError, PoseError) as error:
        return complain(f"error: {error}")
    return 0


def report(estimator: PoseEstimator, settings: BenchSettings) -> Table:
    """One row per picture."""
    provider = f"{estimator.detector.provider}, {settings.threads} threads"
    table = Table(title=f"{estimator.name} on {provider}: median / 90 % in ms", highlight=True)
    for heading in ("picture", "persons", *STAGES):
        table.add_column(heading, justify="left" if heading == "picture" else "right")
    for name, data in pictures(settings.pictures):
        persons, seconds = measure(estimator, data, settings.image_limits, settings.repeat)
        milliseconds = np.quantile(seconds, (0.5, 0.9), axis=0).T * 1000
        cells = [f"{median:.1f} / {tail:.1f}" for median, tail in milliseconds.tolist()]
        table.add_row(name, str(persons), *cells)
    return table


def pictures(paths: list[Path]) -> list[tuple[str, bytes]]:
    """Names and bytes of the pictures."""
    if paths:
        return [(path.name, path.read_bytes()) for path in paths]
    astronaut = cast(Pixels, skimage.data.astronaut())
    return [("astronaut", encode_image(Image(astronaut), "image/jpeg"))]


def measure(
    estimator: PoseEstimator, data: bytes, limits: ImageLimits, repeat: int
) -> tuple[int, Floats]:
    """The number of people, and the seconds of each run by stage, `[repeat, 4]`."""
    rows: list[tuple[float, float, float, float]] = []
    persons = 0
    for _ in range(WARM_UP_RUNS + repeat):
        started = time.perf_counter()
        image = decode_image(data, limits)
        decoded = time.perf_counter()
        prediction = estimator.predict(image)
        ended = time.perf_counter()
        persons = len(prediction.persons)
        rows.append(
            (decoded - started, prediction.detect_s, prediction.keypoints_s, ended - started)
        )
    return persons, np.array(rows[WARM_UP_RUNS:])


def complain(message: str) -> int:
    """Says what is wrong on stderr."""
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
