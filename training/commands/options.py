"""How every verb reads its options."""

import sys
from collections.abc import Sequence
from typing import TypeVar

from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict

OK, FOUND_PROBLEMS, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class Options(BaseSettings):
    """Options of a verb, declared as fields."""

    model_config = SettingsConfigDict(
        cli_kebab_case=True, cli_implicit_flags=True, cli_hide_none_type=True, extra="forbid"
    )


S = TypeVar("S", bound=Options)


def parse(options: type[S], arguments: Sequence[str]) -> S:
    """The options that the arguments give.

    Raises:
        ValidationError, SettingsError: an option is unknown, missing or not valid.
    """
    return CliApp.run(options, cli_args=list(arguments))


def complain(message: str) -> int:
    """Says on stderr what is wrong with the input; returns the exit code for it."""
    print(message, file=sys.stderr)
    return WRONG_INPUT
