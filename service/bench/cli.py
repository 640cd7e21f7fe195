"""The verb `bench`."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import to_json
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliPositionalArg,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.bench.load import Arrivals, Plan, run
from service.bench.requests import find_pictures, pack, parse_target
from service.bench.summary import describe, summarise
from service.inference.errors import PoseError
from service.inference.validation import first_problem

OK, NO_GOOD_ANSWER, WRONG_INPUT = 0, 1, 2


class BenchSettings(BaseSettings):
    """Asks a service and says how it stands it.

    With `--rate` requests are sent at planned moments, whether or not answers come, and latency
    counts from those moments; with `--concurrency` each answer is followed by the next request.
    """

    model_config = SettingsConfigDict(
        cli_prog_name="python -m service bench",
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags="toggle",
    )

    url: CliPositionalArg[str] = Field(description="Of the service, as http://localhost:8000.")
    images: list[Path] = Field(
        min_length=1, description="Folder of pictures, or a picture; may be given several times."
    )
    rate: float | None = Field(default=None, gt=0, description="Requests per second.")
    concurrency: int | None = Field(
        default=None, ge=1, le=10_000, description="Requests that are waited for at a time."
    )
    duration_s: float = Field(
        default=10.0, gt=0, alias="duration", description="Seconds that count."
    )
    warm_up_s: float = Field(
        default=1.0, ge=0, alias="warm-up", description="Seconds before, which do not count."
    )
    timeout_s: float = Field(
        default=60.0, gt=0, alias="timeout", description="Seconds to wait for an answer."
    )
    arrivals: Arrivals = Field(
        default="constant",
        description="With --rate: equal distances, or those of many independent users.",
    )
    path: str = Field(default="/predict", description="Below the URL, with its query.")
    header: list[str] = Field(
        default=[], description="'Name: value' of each request; may be given several times."
    )
    form: str | None = Field(
        default=None, description="Send a form with the picture under this name, not the bare file."
    )
    seed: int = Field(default=0, description="Of the order of pictures and random arrivals.")
    json_: bool = Field(default=False, alias="json", description="Print one JSON document.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags only: a variable `PATH` or `TIMEOUT` is about something else."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        if (self.rate is None) == (self.concurrency is None):
            raise ValueError("expected either --rate or --concurrency")
        for header in self.header:
            if ":" not in header or not header.isascii() or "\r" in header or "\n" in header:
                raise ValueError(f"--header is {header!r}, expected 'Name: value'")
        return self

    @property
    def plan(self) -> Plan:
        return Plan(
            duration_s=self.duration_s,
            warm_up_s=self.warm_up_s,
            rate=self.rate,
            arrivals=self.arrivals,
            concurrency=self.concurrency or 1,
            timeout_s=self.timeout_s,
            seed=self.seed,
        )


def bench(arguments: Sequence[str]) -> int:
    """Carries out a load and prints its summary; Ctrl-C ends it and prints what there is.

    Args:
        arguments: of the command line.

    Returns:
        The exit code: 1 where no answer was good, 2 for wrong input, named on stderr.
    """
    try:
        settings = CliApp.run(BenchSettings, cli_args=list(arguments))
        target = parse_target(settings.url, settings.path)
        requests = [
            pack(target, path, settings.header, settings.form)
            for path in find_pictures(settings.images)
        ]
    except ValidationError as error:
        return _complain(first_problem(error))
    except PoseError as error:
        return _complain(str(error))
    # Ctrl-C cancels the load, which then gives its record.
    record = asyncio.run(run(settings.plan, target, requests))
    summary = summarise(settings.plan, record)
    text = to_json(summary, indent=2).decode() if settings.json_ else None
    print(text or describe(settings.plan, summary))
    return OK if summary.ms else NO_GOOD_ANSWER


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return WRONG_INPUT
