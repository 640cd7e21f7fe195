"""A pydantic error as one sentence."""

from pydantic import ValidationError

_SHOWN_CHARACTERS = 80


def first_problem(error: ValidationError) -> str:
    """Names the first field at fault, its value if short, what was expected, and how many more."""
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    value = first["input"]
    shown = (
        f" = {value!r}"
        if isinstance(value, str | int | float) and len(repr(value)) < _SHOWN_CHARACTERS
        else ""
    )
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{field}{shown}: {message}{more}" if field else f"{message}{more}"
