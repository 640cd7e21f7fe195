"""A run's configuration from recipe, TOML file and flags, later ones winning."""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.inference.errors import InvalidInput
from service.inference.validation import first_problem
from training.config import TrainConfig
from training.recipes import recipe


def parse_config(
    arguments: Sequence[str], recipe_name: str, toml: Path | None, program: str
) -> TrainConfig:
    """The resolved configuration.

    Args:
        arguments: flags named after the fields, nested by dots, e.g. `--optimizer.learning-rate`.
        recipe_name: where the values start from.
        toml: a file with the same fields.
        program: shown in the help.

    Raises:
        InvalidInput: an unknown recipe, field or value.
    """
    start = recipe(recipe_name).model_dump(mode="json")
    file = _read_toml(toml) if toml is not None else {}

    class Settings(TrainConfig, BaseSettings):
        model_config = SettingsConfigDict(extra="forbid", frozen=True)

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            flags = CliSettingsSource[Any](
                settings_cls,
                cli_parse_args=list(arguments),
                cli_kebab_case=True,
                cli_implicit_flags=True,
                cli_prog_name=program,
                cli_hide_none_type=True,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            files = InitSettingsSource(settings_cls, file)
            return flags, files, InitSettingsSource(settings_cls, start)

    try:
        resolved = Settings()  # pyright: ignore[reportCallIssue] - the recipe gives every field
    except ValidationError as error:
        raise InvalidInput(first_problem(error)) from error
    return TrainConfig.model_validate(resolved.model_dump())


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"config: cannot read {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"config: {path} is not TOML: {error}") from error
