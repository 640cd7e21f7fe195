"""The verb `report`: one self-contained HTML page about a run or a bundle."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from service.inference.card import ModelCard
from service.inference.errors import InvalidData
from service.inference.execution import Device
from training.analysis.case_pictures import JOINT_COLOURS
from training.changes import settings_of
from training.config import DataSet
from training.model_page import training_command
from training.pages.page import render_page
from training.report import plots
from training.report.measured import Measured, measure_subject
from training.report.subject import Subject, open_subject
from training.run_log import PRIMARY, RunLog

_OTHER_CURVES = {
    "learning_rate": "learning rate",
    "samples_per_s": "samples per second",
}
"""Figures of the log beside loss and AP, and their words."""


def write_report(
    path: Path,
    *,
    data: DataSet | None = None,
    detector: Path | None = None,
    output: Path | None = None,
    samples: int = 6,
    device: Device = "auto",
) -> Path:
    """Writes the page.

    Args:
        path: folder of a run, finished or not, or of a bundle, or an ONNX file.
        data: to measure on; None takes the run's own first validation set.
        detector: measure a keypoint network end to end with this run or bundle.
        output: the page; None takes `report.html` in the run's folder, for a bundle
            `NAME-VERSION-report.html` here.
        samples: pictures in each row of samples; 0 for none.
        device: for bundles; a run takes what Keras finds.

    Returns:
        Where the page is.

    Raises:
        InvalidData: the run, the named data or the page's place cannot be used.
        InvalidBundle: the bundle cannot be used.
    """
    subject = open_subject(path)
    measured = measure_subject(subject, data, detector=detector, samples=samples, device=device)
    page = report_page(subject, measured)
    target = output or _usual_place(subject)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, "utf-8")
    except OSError as error:
        raise InvalidData(f"output: {target} cannot be written: {error.strerror}") from error
    return target


def report_page(subject: Subject, measured: Measured | str) -> str:
    """The page as HTML; where nothing was measured, it says why."""
    known = measured if isinstance(measured, Measured) else None
    return render_page(
        "report.html",
        {
            "title": f"{subject.information.name}: {subject.information.kind} report",
            "subject": subject,
            "information": subject.information,
            "status": _status(subject),
            "tiles": _tiles(subject, known),
            "curves": {} if subject.log is None else _curves(subject.log),
            "measured": known,
            "known_figures": _figure_table(subject.information.metrics),
            "ring_colours": JOINT_COLOURS,
            "not_measured": measured if isinstance(measured, str) else "",
            "settings": settings_of(subject.card.config, subject.card.recipe),
            "hardware": _hardware(subject),
            "training_command": training_command(subject.card),
            "commands": _commands(subject),
        },
    )


def _usual_place(subject: Subject) -> Path:
    if subject.information.kind == "run":
        return subject.path / "report.html"
    return Path(f"{subject.information.name.replace('/', '-')}-report.html")


def _status(subject: Subject) -> str:
    information = subject.information
    if information.epochs is None or information.epochs_done is None:
        return _made_from(subject.card)
    done = f"{information.epochs_done} of {information.epochs} epochs"
    return f"finished, {done}" if information.epochs_done >= information.epochs else done


def _made_from(card: ModelCard) -> str:
    if card.conversion is None:
        return f"exported bundle in {card.precision}"
    source = card.conversion.source
    return f"bundle in {card.precision}, made from {source} (AP {card.conversion.source_ap:.3f})"


def _tiles(subject: Subject, measured: Measured | None) -> dict[str, str]:
    information = subject.information
    tiles: dict[str, str] = {}
    if measured is not None:
        tiles |= {name: f"{measured.evaluation.metrics[name]:.3f}" for name in ("AP", "AP50")}
    best = None if subject.log is None else subject.log.best()
    if best is not None:
        tiles["best epoch"] = f"{best['epoch'] + 1:.0f}"
    tiles["input"] = information.input.replace("x", "\u00d7")
    tiles["parameters"] = f"{information.parameters / 1e6:.1f} M"
    if information.macs is not None:
        tiles["multiply-adds"] = f"{information.macs / 1e6:.0f} M"
    if information.kind == "bundle" and information.file_bytes is not None:
        tiles["file"] = f"{information.file_bytes / 2**20:.1f} MiB"
    if subject.duration_s is not None:
        tiles["duration"] = duration(subject.duration_s)
    return tiles


def duration(seconds: float) -> str:
    """Seconds in words that suit their number: `45 s`, `12 min`, `3 h 05 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{minutes} min"


def _curves(log: RunLog) -> dict[str, Markup]:
    curves: dict[str, Markup] = {}
    if log.curve("loss")[0]:
        curves["Training loss"] = plots.loss_plot(log)
    if log.curve(PRIMARY)[0]:
        curves["AP on the validation set"] = plots.validation_plot(log)
    for name, words in _OTHER_CURVES.items():
        if log.curve(name)[0]:
            curves[words.capitalize()] = plots.figure_plot(log, name, words)
    return curves


def _figure_table(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Figures of a card or a log: `coco/val/gt-boxes/AP` is AP in the row `coco/val/gt-boxes`."""
    table: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        row, _, figure = name.rpartition("/")
        table.setdefault(row, {})[figure] = value
    return table


def _hardware(subject: Subject) -> dict[str, str]:
    """What was noted when the run began; a bundle's card names no machine."""
    environment = subject.environment
    if environment is None:
        return {}
    cpu: Mapping[str, Any] = environment.get("cpu", {})
    gpus: Sequence[str] = environment.get("gpus", [])
    devices: Sequence[str] = environment.get("devices", [])
    unused = gpus and not any(device.startswith(("gpu", "cuda")) for device in devices)
    rows = {
        "processor": f"{cpu.get('model', 'unknown')}, {cpu.get('cores', '?')} cores",
        "memory": f"{cpu['memory_gib']} GiB" if cpu.get("memory_gib") else "",
        "graphics cards": ", ".join(gpus) + (" (not used)" if unused else ""),
        "computed on": ", ".join(devices),
        "Keras backend": environment.get("keras_backend", ""),
        "system": f"{environment.get('platform', '')}, Python {environment.get('python', '')}",
        "packages": ", ".join(f"{k} {v}" for k, v in environment.get("packages", {}).items()),
    }
    return {name: text for name, text in rows.items() if text}


def _commands(subject: Subject) -> dict[str, str]:
    """What one may want to do next, and how."""
    information = subject.information
    # The page may be given to others: an absolute path would tell about this machine.
    place = subject.path.name if subject.path.is_absolute() else str(subject.path)
    start = "python -m training"
    quoted = shlex.quote(place)
    commands: dict[str, str] = {}
    if information.kind == "run":
        if (information.epochs_done or 0) < (information.epochs or 0):
            commands["Go on with the run"] = f"{start} train --resume --output {quoted}"
        if subject.has_weights:
            weights = shlex.quote(f"{place}/best.weights.h5")
            commands["Export it as a bundle that the service loads"] = f"{start} export {quoted}"
            commands["Start another run from its weights"] = (
                f"{start} train --recipe {subject.card.recipe} --init-weights {weights} "
                "--data.train TRAIN.json:IMAGES --output runs/next"
            )
    if subject.has_weights:
        words = "--data VAL.json:IMAGES"
        commands["Measure it, with pictures of the worst cases"] = (
            f"{start} evaluate {quoted} {words} --save-errors errors"
        )
        finder = " --detector DETECTOR" if information.task == "keypoints" else ""
        commands["Draw on pictures"] = f"{start} predict {quoted} PICTURES{finder} --output drawn"
        commands["Time it"] = f"{start} benchmark {quoted}"
    return commands
