"""The plots of a report, as SVG that takes the colours of the page around it."""

from collections.abc import Sequence
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from training.analysis.results import (
    JOINT_ERRORS,
    Calibration,
    JointError,
    JointFigures,
    OperatingPoint,
    PrecisionRecall,
)
from training.pages.page import plot_tag
from training.run_log import PRIMARY, RunLog

# Readable on white and on black; colour-blind people can tell them apart (Okabe and Ito, adapted).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#3a86d8", "#e07b1a", "#1f9d70", "#b06fc4", "#8a92a0"
_ERROR_COLOURS: dict[JointError, str] = {
    "good": GREEN, "jitter": BLUE, "inversion": "#e0b21a", "swap": PURPLE, "miss": "#d1495b",
}  # fmt: skip
# Stands for the page's own text colour, and becomes it.
_INK = "#123457"
_SIZE_INCHES = (5.0, 2.9)
# Shares of a sum may miss it by rounding.
_ALL = 0.999


def loss_plot(log: RunLog) -> Markup:
    """The training loss by epoch."""
    figure, axes = _axes("epoch", "loss")
    axes.plot(*log.curve("loss"), color=BLUE, marker=_marker(log), markersize=3)
    _whole_epochs(axes)
    return _tag(figure, "Training loss by epoch")


def validation_plot(log: RunLog) -> Markup:
    """AP on the validation set by epoch; a dot marks the best."""
    figure, axes = _axes("epoch", "")
    shown = ((PRIMARY, BLUE), ("val_AP50", GREEN), ("val_AP75", ORANGE))
    for name, colour in shown:
        epochs, values = log.curve(name)
        label = name.removeprefix("val_")
        axes.plot(epochs, values, color=colour, marker=_marker(log), markersize=3, label=label)
    best = log.best()
    if best is not None:
        axes.plot([best["epoch"] + 1], [best[PRIMARY]], "o", color=BLUE, markersize=8, alpha=0.6)
    axes.set_ylim(bottom=0)
    _whole_epochs(axes)
    _legend(axes)
    return _tag(figure, "Average precision on the validation set by epoch")


def figure_plot(log: RunLog, name: str, label: str) -> Markup:
    """Any other figure of the log by epoch, from zero."""
    figure, axes = _axes("epoch", label)
    axes.plot(*log.curve(name), color=PURPLE, marker=_marker(log), markersize=3)
    axes.set_ylim(bottom=0)
    _whole_epochs(axes)
    return _tag(figure, f"{label} by epoch")


def precision_recall_plot(curves: Sequence[PrecisionRecall], similarity: str) -> Markup:
    """Precision against recall at each similarity."""
    figure, axes = _axes("recall", "precision")
    for curve, colour in zip(curves, (GREEN, ORANGE), strict=False):
        label = f"{similarity} {curve.threshold:.2f}: AP {curve.ap:.3f}"
        # Behind the largest recall that is reached the curve is zero: it ends there.
        length = min(sum(value > 0 for value in curve.precision) + 1, len(curve.recall))
        axes.plot(curve.recall[:length], curve.precision[:length], color=colour, label=label)
    _unit_square(axes)
    _legend(axes)
    return _tag(figure, f"Precision by recall for {similarity} 0.50 and 0.75")


def calibration_plot(calibration: Calibration) -> Markup:
    """The share of right answers by score; on the dashed line a score is a probability."""
    figure, axes = _axes("score", "share that is right")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    most = max((one.count for one in calibration.bins), default=0)
    for index, colour in zip(range(len(calibration.criteria)), (GREEN, ORANGE), strict=False):
        error = calibration.expected_errors[index]
        off = "" if error is None else f", off by {error:.3f}"
        points = [
            (one.mean_score, one.rates[index], 15 + 85 * one.count / most)
            for one in calibration.bins
            if one.count and one.rates[index] is not None
        ]
        x, y, sizes = zip(*points, strict=True) if points else ((), (), ())
        axes.plot(x, y, color=colour, linewidth=1, label=f"{calibration.criteria[index]}{off}")
        axes.scatter(x, y, s=sizes, color=colour, alpha=0.75, linewidths=0)
    _unit_square(axes)
    _legend(axes)
    return _tag(figure, f"Share of right answers by the score of a {calibration.of}")


def threshold_plot(points: Sequence[OperatingPoint], best: OperatingPoint) -> Markup:
    """Precision, recall and F1 by the least score that counts."""
    figure, axes = _axes("least score", "")
    scores = [point.min_score for point in points]
    rows: tuple[tuple[str, str, list[float | None]], ...] = (
        ("precision", ORANGE, [point.precision for point in points]),
        ("recall", BLUE, [point.recall for point in points]),
        ("F1", GREEN, [point.f1 for point in points]),
    )
    for label, colour, values in rows:
        kept = [pair for pair in zip(scores, values, strict=True) if pair[1] is not None]
        x, y = zip(*kept, strict=True) if kept else ((), ())
        axes.plot(x, y, color=colour, label=label)
    axes.axvline(best.min_score, color=GREY, linestyle="--", linewidth=1)
    _unit_square(axes)
    _legend(axes)
    return _tag(figure, "Precision, recall and F1 by the least score that counts")


def joint_errors_plot(joints: Sequence[JointFigures]) -> Markup:
    """What became of every joint, as shares of those with a label."""
    figure, axes = _axes("share of labelled joints", "", height=0.7 + 0.24 * len(joints))
    names = [joint.name.replace("_", " ") for joint in joints]
    left = [0.0] * len(joints)
    for kind in JOINT_ERRORS:
        widths = [joint.errors.get(kind, 0) / max(joint.labelled, 1) for joint in joints]
        axes.barh(
            names, widths, left=left, height=0.72, color=_ERROR_COLOURS[kind], label=kind,
            linewidth=0,
        )  # fmt: skip
        left = [start + width for start, width in zip(left, widths, strict=True)]
    if min(left, default=1) < _ALL:
        rest = [1 - start for start in left]
        axes.barh(names, rest, left=left, height=0.72, color=GREY, alpha=0.35, label="not found")
    axes.set_xlim(0, 1)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.grid(visible=False)
    legend = axes.legend(
        frameon=False, fontsize=8, ncols=len(JOINT_ERRORS) + 1, loc="lower right",
        bbox_to_anchor=(1.02, 1.0), handlelength=1, columnspacing=1, labelcolor=_INK,
    )  # fmt: skip
    legend.set_in_layout(True)
    return _tag(figure, "Kinds of errors of every joint")


def gains_plot(gains: dict[str, float]) -> Markup:
    """What AP would gain if one kind of error alone were mended."""
    figure, axes = _axes("AP gained", "", height=0.7 + 0.28 * max(len(gains), 1))
    names, values = list(gains), list(gains.values())
    bars = axes.barh(names, values, height=0.62, color=BLUE, linewidth=0)
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8, color=_INK)
    axes.margins(x=0.15)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    return _tag(figure, "AP gained if one kind of error were mended")


def _axes(x_label: str, y_label: str, height: float = _SIZE_INCHES[1]) -> tuple[Figure, Any]:
    figure = Figure(figsize=(_SIZE_INCHES[0], height), layout="constrained")
    figure.patch.set_alpha(0)
    axes: Any = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x_label, color=_INK, fontsize=9)
    axes.set_ylabel(y_label, color=_INK, fontsize=9)
    axes.tick_params(colors=_INK, labelsize=8.5, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _unit_square(axes: Any) -> None:
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)


def _whole_epochs(axes: Any) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True)


def _legend(axes: Any) -> None:
    axes.legend(frameon=False, fontsize=8.5, labelcolor=_INK)


def _marker(log: RunLog) -> str | None:
    """A line of few points is easily overlooked."""
    return "o" if len(log.epochs) <= 20 else None


def _tag(figure: Figure, description: str) -> Markup:
    # Text stays text: it is smaller, can be searched, and has the page's typeface and colour.
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        tag = plot_tag(figure, description)
    return Markup(str(tag).replace(_INK, "currentColor"))
