"""Bundles of lower precision, made from one in full precision and judged against it."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import onnx

from service.inference.card import Calibration, Conversion, ModelCard
from service.inference.errors import InvalidBundle, InvalidInput
from service.inference.session import Session
from training.bundle import (
    changed_card,
    data_name,
    free_folder,
    install,
    variant_name,
    write_draft,
)
from training.card_figures import (
    average_precision,
    figures_alone,
    figures_end_to_end,
    read_first,
    set_name,
)
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.evaluate import evaluate_alone
from training.half import to_half
from training.network_inputs import draw_records, network_input
from training.onnx_form import check_graph
from training.open_model import onnx_file, open_model
from training.quantise import default_float_layers, quantise

LowerPrecision = Literal["fp16", "int8"]
_onnx = cast("Any", onnx)


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """How INT8 finds the ranges of its values.

    Attributes:
        data: sets of the kind that the network was trained on.
        samples: so many people of them, for a detector pictures, are looked at.
        float_layers: so many layers at either end stay in float32; None stands for an eighth.
    """

    data: Sequence[DataSet] = ()
    samples: int = 300
    float_layers: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What a bundle of lower precision is measured on, and must not lose.

    Attributes:
        val: to measure both bundles on.
        limit: measure on the first so many pictures only.
        max_ap_loss: that is accepted.
        detector: a detector's bundle; a keypoint network is then measured end to end as well.
    """

    val: DataSet
    limit: int | None = None
    max_ap_loss: float = 0.01
    detector: Path | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """A bundle that was written, its AP, and that of the bundle in full precision."""

    folder: Path
    ap: float
    source_ap: float


def export_variant(
    source: Path,
    models_dir: Path,
    precision: LowerPrecision,
    gate: Gate,
    calibration: CalibrationSettings = CalibrationSettings(),
    *,
    name: str | None = None,
    version: int | None = None,
    notes: str | None = None,
    force: bool = False,
) -> Variant:
    """Writes a bundle in half precision or INT8, if it measures as its source does.

    It becomes `models_dir/NAME-fp16/version/`, or `-int8`; if it is refused, nothing is left
    behind. Keras is not needed.

    Args:
        source: folder of a bundle in fp32, or its ONNX file.
        models_dir: folder of bundles.
        precision: of the new bundle.
        gate: that it must pass.
        calibration: for INT8.
        name: before the precision; None takes the source's.
        version: of the bundle; None takes the source's.
        notes: for the end of the bundle's page, Markdown.
        force: replace a bundle of that name and version.

    Raises:
        InvalidInput: an argument is wrong, or the bundle exists already.
        InvalidData: a set cannot be used.
        InvalidBundle: the source is no bundle, or too much AP is lost; the message has the figures.
    """
    original = open_model(source, "cpu")
    card = _named(original.card, precision, name, version)
    target = free_folder(models_dir, card.reference, force=force)
    val = read_first(gate.val, gate.limit)
    content = _content(source)
    model, pictures = _convert(_onnx.load_from_string(content), card, precision, calibration)
    check_graph(model, card.reference)
    expected = average_precision(evaluate_alone(original, val))
    conversion = Conversion(
        source=original.card.reference,
        source_sha256=hashlib.sha256(content).hexdigest(),
        source_ap=round(expected, 4),
        calibration=pictures,
    )
    card = card.model_copy(update={"precision": precision, "conversion": conversion})
    with tempfile.TemporaryDirectory() as folder:
        session = write_draft(Path(folder), model, card, notes)
        ap, metrics = _judged(session, val, gate, expected)
        write_draft(Path(folder), model, card.model_copy(update={"metrics": metrics}), notes)
        install(Path(folder) / card.reference, target)
    return Variant(target, ap, expected)


def _named(
    source: ModelCard, precision: LowerPrecision, name: str | None, version: int | None
) -> ModelCard:
    """The card by which the new bundle goes, not yet of what it is."""
    if source.precision != "fp32":
        raise InvalidInput(
            f"source: {source.reference} is in {source.precision}; expected a bundle in fp32"
        )
    return changed_card(
        source,
        name=variant_name(source.name if name is None else name, precision),
        version=source.version if version is None else version,
        metrics={},
        sha256=None,
    )


def _content(source: Path) -> bytes:
    file = onnx_file(source)
    if file is None:
        raise InvalidInput(f"source: {source} is a run; expected a bundle in fp32")
    return file.read_bytes()


def _convert(
    model: onnx.ModelProto,
    card: ModelCard,
    precision: LowerPrecision,
    calibration: CalibrationSettings,
) -> tuple[onnx.ModelProto, Calibration | None]:
    if precision == "fp16":
        return to_half(model), None
    if not calibration.data:
        raise InvalidInput("data: int8 needs pictures like those of training to measure ranges on")
    files = [read_coco(data) for data in calibration.data]
    records = draw_records(card.task, files, calibration.samples)
    pictures = (network_input(card, record) for record in records)
    kept = calibration.float_layers
    if kept is None:
        kept = default_float_layers(model)
    quantised = quantise(model, pictures, float_layers=kept)
    names = tuple(data_name(data) for data in calibration.data)
    return quantised, Calibration(data=names, samples=len(records), float_layers=kept)


def _judged(
    session: Session, val: CocoFile, gate: Gate, expected: float
) -> tuple[float, dict[str, float]]:
    """The AP of the new bundle and its figures for the card."""
    evaluation = evaluate_alone(session, val)
    ap, card = average_precision(evaluation), session.card
    if not expected - ap <= gate.max_ap_loss:
        hint = "; more calibration samples or float layers may help" * (card.precision == "int8")
        raise InvalidBundle(
            f"{card.reference} reaches AP {ap:.4f} on {set_name(val)}, {expected - ap:.4f} less "
            f"than in fp32 ({expected:.4f}); allowed is a loss of {gate.max_ap_loss:g}{hint}"
        )
    metrics = figures_alone(session, val, evaluation)
    if gate.detector is not None:
        metrics |= figures_end_to_end(session, val, gate.detector)
    return ap, metrics
