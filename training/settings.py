"""A run's configuration from recipe, TOML file and flags, later ones winning.

A part that one of them makes another kind (`--codec.kind simcc`, `--backbone.name resnet50`) keeps
none of the values that the earlier ones gave it: they belong to the kind before.
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

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

_CHOICES = ("kind", "name")
"""Fields that decide which other fields a part has."""


DEFAULT_RECIPE = "mobilenetv2-heatmap"


def parse_config(
    arguments: Sequence[str], recipe_name: str | None, toml: Path | None, program: str
) -> TrainConfig:
    """The resolved configuration.

    Args:
        arguments: flags named after the fields, nested by dots, e.g. `--optimizer.learning-rate`.
        recipe_name: where the values start from; None takes the file's `recipe`, or the default.
        toml: a file with the same fields.
        program: shown in the help.

    Raises:
        InvalidInput: an unknown recipe, field or value.
    """
    file = _read_toml(toml) if toml is not None else {}
    name = recipe_name or str(file.get("recipe", DEFAULT_RECIPE))
    return _resolve(_merge(recipe(name).model_dump(mode="json"), file), arguments, program)


def override(config: TrainConfig, arguments: Sequence[str], program: str) -> TrainConfig:
    """A configuration with flags in place of some of its values.

    Raises:
        InvalidInput: an unknown field or value.
    """
    return _resolve(config.model_dump(mode="json"), arguments, program)


def _resolve(start: Mapping[str, Any], arguments: Sequence[str], program: str) -> TrainConfig:

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
            values = _merge(start, flags())
            return (InitSettingsSource(settings_cls, values),)

    try:
        resolved = Settings()  # pyright: ignore[reportCallIssue] - the recipe gives every field
    except ValidationError as error:
        raise InvalidInput(first_problem(error)) from error
    return TrainConfig.model_validate(resolved.model_dump())


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    if any(base.get(key) != over[key] for key in _CHOICES if key in over):
        return dict(over)
    merged = dict(base)
    for name, value in over.items():
        before: object = base.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            part = cast("Mapping[str, Any]", before)
            merged[name] = _merge(part, cast("Mapping[str, Any]", value))
        else:
            merged[name] = value
    return merged


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"config: cannot read {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"config: {path} is not TOML: {error}") from error
