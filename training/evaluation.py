"""What a measurement found, and how it is shown."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from training.analysis.results import Analysis
from training.analysis.tables import details_of, summary_of

GROUND_TRUTH = "ground truth"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, and how.

    Attributes:
        model: name and version of the network.
        provider: that ran it.
        data: name of the annotation file.
        boxes: `ground truth`, or name and version of the detector.
        flip_test: whether answers to mirrored crops were averaged in.
        pictures: measured on.
        people: measured on.
        metrics: `KEYPOINT_FIGURES`, or for a detector `BOX_FIGURES`, to values in 0..1; -1 where
            nobody has that size.
    """

    model: str
    provider: str
    data: str
    boxes: str
    flip_test: bool
    pictures: int
    people: int
    metrics: dict[str, float]


def print_evaluation(
    evaluation: Evaluation,
    analysis: Analysis,
    *,
    as_json: bool = False,
    details: bool = False,
) -> None:
    """Prints COCO's table and a summary of what is behind it, all tables, or all as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(as_document(evaluation, analysis), indent=2) + "\n")
        return
    console = Console()
    console.print(
        f"{evaluation.model} by {evaluation.provider}, boxes: {evaluation.boxes}, "
        f"flip test: {'yes' if evaluation.flip_test else 'no'}\n"
        f"{evaluation.data}: {evaluation.pictures} pictures, {evaluation.people} people",
        highlight=False,
        markup=False,
    )
    console.print(_coco_table(evaluation))
    for part in (details_of if details else summary_of)(analysis):
        console.print()
        console.print(part, highlight=False, markup=False)


def as_document(evaluation: Evaluation, analysis: Analysis) -> dict[str, Any]:
    """Everything for JSON: the fields of `Evaluation`, and under `analysis` those of `Analysis`."""
    return dataclasses.asdict(evaluation) | {"analysis": dataclasses.asdict(analysis)}


def _coco_table(evaluation: Evaluation) -> Table:
    # Twelve figures must fit into 80 columns.
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name in evaluation.metrics:
        table.add_column(name, justify="right")
    # COCO's -1 says that nobody has that size.
    table.add_row(*("-" if value < 0 else f"{value:.3f}" for value in evaluation.metrics.values()))
    return table
