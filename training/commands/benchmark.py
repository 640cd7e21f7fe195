"""`benchmark`: time a bundle or a run."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from service.inference.execution import Device
from training.commands.options import OK, Options, parse


class BenchmarkOptions(Options):
    """Times a bundle or a run per batch size: median, 95th percentile, crops or pictures/s."""

    model_config = SettingsConfigDict(cli_prog_name="python -m training benchmark")

    model: CliPositionalArg[Path] = Field(description="A run's or bundle's folder, or .onnx file.")
    batch_sizes: list[int] = Field(
        default=[1, 2, 4, 8], description="To time, for example: --batch-sizes 1,8."
    )
    device: Device = Field(default="auto", description="For bundles; a run takes Keras' device.")
    threads: int = Field(default=1, ge=1, description="For one run of a bundle on the CPU.")
    seconds: float = Field(default=3.0, gt=0, description="To measure each batch size for.")
    json_: bool = Field(default=False, alias="json", description="Print JSON.")


def run(arguments: Sequence[str]) -> int:
    """Times and prints."""
    options = parse(BenchmarkOptions, arguments)
    from training.benchmark import run_benchmark

    run_benchmark(
        options.model,
        batch_sizes=options.batch_sizes,
        device=options.device,
        threads=options.threads,
        seconds=options.seconds,
        as_json=options.json_,
    )
    return OK
