"""`export`: write a run as a bundle, or a bundle in lower precision."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from service.inference.card import Precision
from service.inference.errors import InvalidInput
from training.commands.options import OK, Options, parse
from training.config import DataSet, Weights


class ExportOptions(Options):
    """Writes a run as a bundle, or a bundle in lower precision, if it measures as what it is from.

    In several precisions, one bundle each: --precision fp32,fp16,int8.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m training export")

    source: CliPositionalArg[Path] = Field(description="Folder of a run, or of a bundle in fp32.")
    precision: tuple[Precision, ...] = Field(
        default=("fp32",), min_length=1, description="Of the bundle; several are several bundles."
    )
    models_dir: Path = Field(default=Path("models"), description="Folder of the bundles.")
    name: str | None = Field(
        default=None, description="Else the source's; -fp16 or -int8 is added for these."
    )
    version: int | None = Field(default=None, description="Else the source's.")
    weights: Weights = Field(
        default="best", description="Best on the validation set, or of the final epoch (averaged)."
    )
    val: str | None = Field(default=None, description="Measure here; else on the run's set.")
    limit: int | None = Field(default=None, ge=1, description="Measure on so many pictures only.")
    detector: Path | None = Field(
        default=None, description="A detector's bundle: measure joints end to end as well."
    )
    max_ap_loss: float = Field(
        default=0.01, ge=0, description="What fp16 and int8 may lose against fp32."
    )
    data: tuple[str, ...] = Field(
        default=(), description="int8: measure ranges here; else on the run's training sets."
    )
    calibration_samples: int = Field(
        default=300, ge=1, description="int8: on so many people, for a detector pictures."
    )
    float_layers: int | None = Field(
        default=None, ge=0, description="int8: at either end in float32; else an eighth of all."
    )
    licences: dict[str, str] = Field(
        default={}, description="Terms of the training sets for the card, as a JSON object by name."
    )
    notes: Path | None = Field(
        default=None, description="Markdown for the end of the bundle's README.md."
    )
    force: bool = Field(default=False, description="Replace a bundle of that name and version.")


def run(arguments: Sequence[str]) -> int:
    """Exports and says where."""
    options = parse(ExportOptions, arguments)
    from training.open_model import onnx_file

    if options.data and "int8" not in options.precision:
        raise InvalidInput("data: only --precision int8 looks at training pictures")
    is_run = onnx_file(options.source) is None
    for line in _from_run(options) if is_run else _from_bundle(options):
        print(line)
    return OK


def _from_run(options: ExportOptions) -> Iterator[str]:
    from training.bundle import free_folder, variant_name
    from training.export import export_run
    from training.run import open_run

    config = open_run(options.source).config
    val = _data_set(options.val) or next(iter(config.data.val), None)
    for precision in options.precision:
        name = variant_name(options.name or config.model_name, precision)
        version = options.version or config.model_version
        free_folder(options.models_dir, f"{name}/{version}", force=options.force)
    full = "fp32" in options.precision
    with tempfile.TemporaryDirectory() as scratch:
        folder = export_run(
            options.source,
            options.models_dir if full else Path(scratch),
            weights=options.weights,
            name=options.name,
            version=options.version,
            val=val,
            detector=options.detector if full else None,
            limit=options.limit,
            licences=options.licences,
            notes=_notes(options),
            force=options.force,
        )
        if full:
            yield f"wrote {folder}"
        yield from _variants(options, folder, val, config.data.train)


def _from_bundle(options: ExportOptions) -> Iterator[str]:
    for field in ("weights", "licences"):
        if field in options.model_fields_set:
            raise InvalidInput(f"{field}: {options.source} is a bundle; only a run has a choice")
    if "fp32" in options.precision:
        raise InvalidInput(
            f"precision: {options.source} is a bundle in fp32 already; choose fp16 or int8"
        )
    yield from _variants(options, options.source, _data_set(options.val), ())


def _variants(
    options: ExportOptions, source: Path, val: DataSet | None, train: Sequence[DataSet]
) -> Iterator[str]:
    from training.variant import CalibrationSettings, Gate, export_variant

    data = tuple(DataSet.model_validate(text) for text in options.data) or train
    calibration = CalibrationSettings(data, options.calibration_samples, options.float_layers)
    for precision in dict.fromkeys(options.precision):
        if precision == "fp32":
            continue
        if val is None:
            raise InvalidInput(f"val: {precision} is judged by its AP; name a COCO file")
        made = export_variant(
            source,
            options.models_dir,
            precision,
            Gate(val, options.limit, options.max_ap_loss, options.detector),
            calibration,
            name=options.name,
            version=options.version,
            notes=_notes(options),
            force=options.force,
        )
        yield f"wrote {made.folder}: AP {made.ap:.4f}, in fp32 {made.source_ap:.4f}"


def _data_set(text: str | None) -> DataSet | None:
    return None if text is None else DataSet.model_validate(text)


def _notes(options: ExportOptions) -> str | None:
    if options.notes is None:
        return None
    try:
        return options.notes.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"notes: {options.notes} cannot be read: {error}") from error
