"""The command lines: `serve` answers pictures over HTTP, `predict` files; `bench` asks a lot."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import Field, ValidationError
from pydantic_core import to_json
from pydantic_settings import CliApp, CliImplicitFlag, CliPositionalArg, SettingsConfigDict

from service.files import FileFormat, FileJob, answer, plan
from service.http.app import create_app
from service.http.metrics import Metrics
from service.http.server import DrainingServer
from service.http.telemetry import open_tracing
from service.inference.cores import available_cores
from service.inference.errors import InvalidInput, PoseError
from service.inference.estimator import PoseEstimator
from service.inference.repository import load_pipeline
from service.logs import configure_logging
from service.runtime.models_folder import ModelsFolder
from service.runtime.runtime import Runtime
from service.settings import PipelineSettings, Settings, explain
from service.videos import VideoOptions, answer_video

OK, FAILED, WRONG_INPUT = 0, 1, 2
_THREADS_PER_RUN = 1
"""Of ONNX Runtime when serving: requests side by side use the cores better than split ones."""
_USAGE = """\
usage: python -m service COMMAND [--help]

Finds the people in pictures and videos and the joints of each.

commands:
  serve    answer pictures over HTTP
  predict  answer picture and video files on stdout
  bench    send a running service pictures and print how it stands it"""

S = TypeVar("S", bound=PipelineSettings)


class ServeSettings(Settings):
    """Answers pictures over HTTP; a flag counts more than its environment variable."""

    model_config = SettingsConfigDict(cli_prog_name="python -m service serve")


class PredictSettings(PipelineSettings):
    """Finds the people in picture and video files and prints them as JSON.

    A picture is one document, a video a line for each frame.
    """

    model_config = SettingsConfigDict(
        cli_prog_name="python -m service predict", cli_shortcuts={"print-json": "json"}
    )

    pictures: CliPositionalArg[list[Path]] = Field(
        description="Pictures (JPEG, PNG, WebP, BMP) or videos (MP4, QuickTime, Matroska, "
        "WebM, AVI, MPEG-TS)."
    )
    render: Path | None = Field(
        default=None,
        description="Draw the people: a .png or .jpg file, for a video .mp4; of several files, a "
        "folder.",
    )
    format: FileFormat = Field(
        default="json", description="The service's JSON, or COCO keypoint results; of pictures."
    )
    track: CliImplicitFlag[bool] = Field(
        default=False, description="Number the people of a video and keep their numbers."
    )
    smooth: CliImplicitFlag[bool] = Field(
        default=True, description="Keep the joints of tracked people from trembling."
    )
    every: int = Field(default=1, ge=1, description="n looks at every n-th frame of a video.")
    print_json: CliImplicitFlag[bool] = Field(
        default=False,
        description="Print the lines of a video also where it is drawn.",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: without the program's name; by default the process's.

    Returns:
        The exit code: 0, 1 for work left unfinished, 2 for wrong input, named on stderr.
    """
    match list(sys.argv[1:] if argv is None else argv):
        case ["serve", *arguments]:
            return _run(_serve, ServeSettings, arguments)
        case ["predict", *arguments]:
            return _run(_predict, PredictSettings, arguments)
        case ["bench", *arguments]:
            # Here, so that nothing else loads it.
            from service.bench.cli import bench

            return bench(arguments)
        case ["-h" | "--help"]:
            print(_USAGE)
            return OK
        case _:
            return _complain(_USAGE)


def _run(command: Callable[[S], int], settings_type: type[S], arguments: list[str]) -> int:
    try:
        settings = CliApp.run(settings_type, cli_args=arguments, cli_show_env_vars=True)
    except ValidationError as error:
        return _complain(explain(error))
    configure_logging(settings.log_format, settings.log_level)
    try:
        return command(settings)
    except PoseError as error:
        return _complain(f"error: {error}")


def _serve(settings: Settings) -> int:
    metrics = Metrics()
    models = ModelsFolder(
        settings.models_dir,
        settings.execution(threads=_THREADS_PER_RUN),
        observe_run=metrics.observe_run,
        observe_batch=metrics.observe_batch,
    )
    metrics.watch_batches(lambda: models.waiting_rows)
    app = create_app(
        settings, models, metrics=metrics, tracing=open_tracing(enabled=settings.tracing)
    )
    runtime: Runtime = app.state.runtime
    DrainingServer(app, settings, runtime).run()
    if runtime.failure is not None:
        raise runtime.failure
    if runtime.workers.running:
        _abandon(runtime.workers.running)
    return OK


def _predict(settings: PredictSettings) -> int:
    jobs = list(plan(settings.pictures, settings.render))
    estimator = load_pipeline(
        settings.models_dir, settings.pipeline, settings.execution(threads=available_cores())
    )
    code = OK
    for job in jobs:
        try:
            if job.is_video:
                _predict_video(estimator, job, settings)
                continue
            document = answer(estimator, job, settings.image_limits, settings.format)
        except PoseError as error:
            code = _complain(f"error: {job.path}: {error}")
        else:
            print(to_json(document, indent=2 if len(jobs) == 1 else None).decode(), flush=True)
    return code


def _predict_video(estimator: PoseEstimator, job: FileJob, settings: PredictSettings) -> None:
    if settings.format != "json":
        raise InvalidInput(f"--format is {settings.format}; expected json for a video")
    options = VideoOptions(
        max_pixels=settings.max_pixels,
        track=settings.track,
        smooth=settings.smooth,
        every=settings.every,
    )
    wanted = settings.print_json or job.drawing is None
    for text in answer_video(estimator, job.path, job.drawing, options):
        if wanted:
            print(text, end="", flush=True)


def _abandon(running: int) -> None:
    """Leaves at once: Python would wait for threads that overran the drain, perhaps forever."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("service")
    logger.error("work left unfinished", running=running)
    logging.shutdown()
    os._exit(FAILED)


def _complain(message: str) -> int:
    print(message, file=sys.stderr)
    return WRONG_INPUT
