"""Reads a COCO file suspiciously and says in words what is wrong with it."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.config import DataSet
from training.data.checks_people import check_people
from training.data.checks_pictures import check_pictures
from training.data.checks_skeleton import check_categories
from training.data.checks_statistics import check_statistics
from training.data.findings import SEVERITIES, Entry, Finding, Findings, as_entries

_SECTIONS = ("images", "annotations", "categories")
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def check_data(data: DataSet) -> list[Finding]:
    """Everything that is wrong or worth knowing, errors first; broken content never raises."""
    findings = Findings()
    if not data.images.is_dir():
        findings.add("error", "the folder of the pictures does not exist", str(data.images))
    document = _read_document(data.annotations, findings)
    if document is None:
        return findings.listed()
    images, annotations, categories = (_section(document, name, findings) for name in _SECTIONS)
    skeleton = check_categories(categories, findings)
    sizes = check_pictures(images, data.images, findings)
    people = check_people(annotations, sizes, categories, skeleton, findings)
    check_statistics(people, skeleton, findings)
    return findings.listed()


def run_check_data(data: DataSet, *, as_json: bool = False) -> int:
    """Prints what `check_data` finds; the exit code is 1 if there are errors."""
    findings = check_data(data)
    if as_json:
        entries = [dataclasses.asdict(finding) for finding in findings]
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
    else:
        _print_report(data, findings)
    return int(any(finding.severity == "error" for finding in findings))


def _read_document(path: Path, findings: Findings) -> Entry | None:
    try:
        document: object = json.loads(path.read_bytes())
    except OSError as error:
        findings.add("error", "the annotation file cannot be read", f"{path}: {error.strerror}")
        return None
    except (ValueError, RecursionError) as error:
        findings.add("error", "the annotation file is not JSON", f"{path}: {error}")
        return None
    if not isinstance(document, dict):
        message = "the annotation file is not a JSON object with images, annotations and categories"
        findings.add("error", message, str(path))
        return None
    return cast("Entry", document)


def _section(document: Entry, name: str, findings: Findings) -> list[Entry]:
    entries = as_entries(document.get(name))
    if entries is None:
        findings.add("error", f"`{name}` is missing or not a list of objects")
    return entries or []


def _print_report(data: DataSet, findings: Sequence[Finding]) -> None:
    console = Console()
    console.print(f"[bold]{escape(str(data.annotations))}[/bold]", soft_wrap=True)
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
    counts = dict.fromkeys(SEVERITIES, 0)
    for finding in findings:
        counts[finding.severity] += 1
    console.print(f"{counts['error']} kinds of errors, {counts['warning']} of warnings")
