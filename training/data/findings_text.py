"""Findings as a table for people and as JSON for programs."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.data.checks import CheckedSet, CheckedSets
from training.data.findings import SEVERITIES, Finding

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def print_findings(checked: CheckedSets) -> None:
    """Prints a table for each set, one for what comparing them gave, and the totals."""
    console = Console()
    for one in checked.sets:
        _print_table(console, str(one.data.annotations), one.findings)
    if len(checked.sets) > 1:
        title = "between the sets" if checked.across else "between the sets: nothing"
        _print_table(console, title, checked.across)
    everything = [*checked.across, *(item for one in checked.sets for item in one.findings)]
    counts = dict.fromkeys(SEVERITIES, 0)
    for finding in everything:
        counts[finding.severity] += 1
    console.print(f"{counts['error']} kinds of errors, {counts['warning']} of warnings")


def findings_json(checked: CheckedSets) -> dict[str, object]:
    """What was found as JSON values."""
    return {
        "sets": [_set_json(one) for one in checked.sets],
        "across": [_finding_json(finding) for finding in checked.across],
    }


def _print_table(console: Console, title: str, findings: Sequence[Finding]) -> None:
    console.print(f"[bold]{escape(title)}[/bold]", soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.severity]
        examples = "".join(f"\n[dim]{escape(example)}[/dim]" for example in finding.examples)
        table.add_row(
            f"[{colour}]{finding.severity}[/{colour}]",
            str(finding.count),
            escape(finding.message) + examples,
        )
    console.print(table)


def _set_json(one: CheckedSet) -> dict[str, object]:
    return {
        "annotations": str(one.data.annotations),
        "pictures": len(one.pictures),
        "people": len(one.people),
        "findings": [_finding_json(finding) for finding in one.findings],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "severity": finding.severity,
        "message": finding.message,
        "count": finding.count,
        "examples": finding.examples,
    }
