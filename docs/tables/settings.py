"""Tables of every setting of the service and of training, read from their declarations."""

import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.tables.markdown import table
from service.settings import ENV_PREFIX, PipelineSettings, Settings
from training.codecs import config as codecs
from training.config import FlatCosineSchedule, StepsSchedule, TrainConfig
from training.networks import config as networks

_KINDS: Sequence[tuple[str, type[BaseModel]]] = (
    ("neck", networks.PyramidNeck),
    ("neck", networks.DeconvNeck),
    ("head", networks.DenseHead),
    ("head", networks.AttentionHead),
    ("head", networks.Fcn8sHead),
    ("head", networks.SimccHead),
    ("codec", codecs.HeatmapCodec),
    ("codec", codecs.PixelClassCodec),
    ("codec", codecs.SimccCodec),
    ("codec", codecs.CenterNetCodec),
    ("optimizer.schedule", FlatCosineSchedule),
    ("optimizer.schedule", StepsSchedule),
)
_CHOSEN = ("neck", "head", "codec", "optimizer.schedule")
"""Parts of which a run has one of several kinds."""
_SET_PER_FILE = "annotations.json[:images[:weight]]"
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n     .+)*)", re.MULTILINE)
_COMPUTED = {"data.workers": "the cores", "workers": "the cores"}
"""Defaults that depend on the machine."""
_TOLD_HERE = {
    "input.height": "in pixels, a multiple of 32",
    "input.width": "in pixels, a multiple of 32",
}
"""Of fields that the cards have too, where these are no bounds."""


def service_tables() -> str:
    """The settings of `serve`, those that `predict` has too before the others."""
    shared = PipelineSettings.model_fields
    own = {name: f for name, f in Settings.model_fields.items() if name not in shared}
    heads = ["variable", "default", "values", "meaning"]
    return "\n\n".join(
        [
            "### Of `serve` and `predict`",
            table(heads, map(_service_row, shared, shared.values())),
            "### Of `serve` only",
            table(heads, map(_service_row, own, own.values())),
        ]
    )


def training_tables() -> str:
    """Every field of a run's configuration; those of a kind in a table of their own."""
    heads = ["flag", "default", "values", "meaning"]
    blocks = [table(heads, _training_rows(TrainConfig, ""))]
    for part, kind in _KINDS:
        name = str(kind.model_fields["kind"].default)
        about = inspect.getdoc(kind) or ""
        blocks += [f"### `--{part}.kind {name}`", _first_line(about)]
        rows = list(_training_rows(kind, f"{part}."))
        if rows:
            blocks.append(table(heads, rows))
    return "\n\n".join(blocks)


def _service_row(name: str, field: FieldInfo) -> list[str]:
    return [
        f"`{ENV_PREFIX}{name.upper()}`",
        _default(name, field),
        _values(field),
        _cell(field.description or ""),
    ]


def _training_rows(model: type[BaseModel], prefix: str) -> Iterator[list[str]]:
    told = _attributes(model)
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        if name == "kind" or path in _CHOSEN:
            continue
        part = field.annotation
        if inspect.isclass(part) and issubclass(part, BaseModel):
            yield from _training_rows(part, f"{path}.")
            continue
        flag = f"`--{path.replace('_', '-')}`"
        meaning = field.description or told.get(name) or _TOLD_HERE.get(path, "")
        yield [flag, _default(path, field), _values(field), _cell(meaning)]


def _attributes(model: type[BaseModel]) -> Mapping[str, str]:
    """What the docstring says of the fields."""
    text = (inspect.getdoc(model) or "").partition("Attributes:\n")[2]
    return {name: " ".join(about.split()) for name, about in _ATTRIBUTE.findall(text)}


def _default(path: str, field: FieldInfo) -> str:
    if path in _COMPUTED:
        return _COMPUTED[path]
    if field.is_required():
        return "of the recipe"
    value = field.default
    if value is None or value == () or value == []:
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(_short(item) for item in cast('tuple[object, ...]', value))}`"
    return f"`{_short(value)}`"


def _short(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)


def _values(field: FieldInfo) -> str:
    """What the field takes, in words."""
    kind = _kind(field.annotation)
    bounds = " ".join(_bounds(field.metadata))
    return f"{kind} {bounds}".strip()


def _bounds(metadata: Iterable[Any]) -> Iterator[str]:
    for constraint in metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            bound = getattr(constraint, attribute, None)
            if bound is not None:
                yield f"{sign} {bound:g}"


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(a) for a in arguments if a is not types.NoneType))
    if origin in (tuple, list):
        return f"{_kind(arguments[0])}, …"
    if annotation in (Path, SecretStr, str):
        return {Path: "path", SecretStr: "secret", str: "text"}[annotation]
    if annotation in (bool, int, float):
        return {bool: "`true`, `false`", int: "whole number", float: "number"}[annotation]
    if inspect.isclass(annotation) and annotation.__name__ == "DataSet":
        return f"`{_SET_PER_FILE}`"
    raise ValueError(f"no words for the type {annotation}")


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _cell(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".").replace("|", "\\|") + "." if text else ""
