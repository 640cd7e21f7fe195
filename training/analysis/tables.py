"""An analysis on a terminal: a summary that fits one screen, or all tables."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table

from training.analysis.results import (
    Analysis,
    Calibration,
    ErrorCounts,
    Group,
    JointFigures,
    OperatingPoint,
)

_PER_JOINT = ("joint", "AP", "PCK@.05", "PCK@.2", "error")
_DEFINITIONS = """\
AP: with that joint alone. PCK: share of the labelled joints that are within .05
or .2 longer sides of the person's box. error: mean distance in such sides.
good: OKS of the joint from 0.85, jitter: from 0.5, inversion: near the mirrored
joint, swap: near somebody else's joint, miss: near none."""


def summary_of(analysis: Analysis) -> Iterator[RenderableType]:
    """Joints beside sizes, and a sentence on errors, scores and what else there is."""
    if analysis.joints:
        side_by_side = Table.grid(padding=(0, 3, 0, 0))
        side_by_side.add_row(_joints(analysis.joints), _sizes(analysis))
        yield side_by_side
    else:
        yield _sizes(analysis)
    yield "\n".join(
        [
            *_error_sentences(analysis.errors),
            *_score_sentences(analysis),
            "More: --details, --json, --save-errors DIR.",
        ]
    )


def details_of(analysis: Analysis) -> Iterator[RenderableType]:
    """All tables."""
    if analysis.joints:
        yield _joints(analysis.joints)
        yield _joint_errors(analysis.joints)
        yield _DEFINITIONS
    yield _groups("box height", analysis.sizes, analysis)
    if analysis.visibility:
        yield _groups("labelled joints", analysis.visibility, analysis)
    yield _groups("largest IoU with another box", analysis.crowding, analysis)
    yield _points(analysis.operating_points)
    yield _calibration(analysis.person_calibration)
    if analysis.joint_calibration is not None:
        yield _calibration(analysis.joint_calibration)
    yield _gains(analysis.errors)
    yield "\n".join([*_error_sentences(analysis.errors), *_score_sentences(analysis)])


def _joints(joints: Sequence[JointFigures]) -> Table:
    table = _table(*_PER_JOINT)
    rows = [(one.ap, one.pck_005, one.pck_020, one.mean_error) for one in joints]
    for one, figures in zip(joints, rows, strict=True):
        table.add_row(one.name, *map(_figure, figures))
    table.add_row("mean of joints", *(_figure(_mean(column)) for column in zip(*rows, strict=True)))
    return table


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) / len(known) if known else None


def _joint_errors(joints: Sequence[JointFigures]) -> Table:
    table = _table("joint", "labelled", *joints[0].errors)
    for one in joints:
        table.add_row(one.name, str(one.labelled), *map(str, one.errors.values()))
    return table


def _sizes(analysis: Analysis) -> Table:
    """The sizes beside the joints: both must fit into 80 columns."""
    table = _table("box height", "people", "AP", f"{analysis.similarity} .5")
    for group in analysis.sizes:
        figures = map(_figure, (group.ap, group.recall_50))
        table.add_row(group.name, str(group.people), *figures)
    return table


def _groups(title: str, groups: Sequence[Group], analysis: Analysis) -> Table:
    kind = analysis.similarity
    table = _table(title, "people", "AP", f"mean {kind}", f"{kind} .5", f"{kind} .75")
    for group in groups:
        table.add_row(
            group.name,
            str(group.people),
            _figure(group.ap),
            _figure(group.mean_similarity),
            _figure(group.recall_50),
            _figure(group.recall_75),
        )
    return table


def _points(points: Sequence[OperatingPoint]) -> Table:
    table = _table("min_person_score", "answers", "precision", "recall", "F1")
    for point in (point for point in points if point.answers):
        table.add_row(
            f"{point.min_score:.2f}",
            str(point.answers),
            _figure(point.precision),
            _figure(point.recall),
            _figure(point.f1),
        )
    return table


def _calibration(calibration: Calibration) -> Table:
    table = _table(f"{calibration.of} score", "answers", "mean score", *calibration.criteria)
    for one in calibration.bins:
        if one.count:
            name = f"{one.low:.1f}-{one.high:.1f}"
            rates = map(_figure, one.rates)
            table.add_row(name, str(one.count), _figure(one.mean_score), *rates)
    return table


def _gains(errors: ErrorCounts) -> Table:
    table = _table("if mended", "AP gains")
    for name, gain in sorted(errors.ap_gains.items(), key=lambda item: -item[1]):
        table.add_row(_words(name), f"{gain:+.3f}")
    return table


def _error_sentences(errors: ErrorCounts) -> Iterator[str]:
    scope = f" (scores from {errors.min_score:.2f})" if errors.min_score > 0 else ""
    total = sum(errors.joints.values())
    if total:
        shares = (f"{100 * count / total:.0f} % {name}" for name, count in errors.joints.items())
        yield f"Joints of people found{scope}: {', '.join(shares)}."
    if errors.people:
        counts = (f"{count} {_words(name)}" for name, count in errors.people.items())
        yield f"People{scope}: {', '.join(counts)}."
    gains = sorted(errors.ap_gains.items(), key=lambda item: -item[1])[:3]
    words = (f"{_words(name)} {gain:+.3f}" for name, gain in gains if gain > 0)
    if listed := ", ".join(words):
        yield f"AP would gain most without: {listed}."


def _score_sentences(analysis: Analysis) -> Iterator[str]:
    best = analysis.best
    kind = analysis.similarity
    yield (
        f"Best F1 at {kind} 0.50: {best.f1:.3f} with min_person_score {best.min_score:.2f} "
        f"(precision {_figure(best.precision)}, recall {best.recall:.3f})."
    )
    if not analysis.errors.people:
        yield "These boxes are true; to choose min_person_score, measure with --detector."
    for calibration in (analysis.person_calibration, analysis.joint_calibration):
        if calibration is not None:
            rows = zip(calibration.criteria, calibration.expected_errors, strict=True)
            errors = ", ".join(f"{_figure(error)} for {criterion}" for criterion, error in rows)
            yield f"Calibration error of the {calibration.of}'s score: {errors}."


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _words(name: str) -> str:
    return "misranked scores" if name == "score" else name.replace("_", " ")
