"""Tables of the bundles and pipelines in `models/`, read from their cards."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from docs.tables.markdown import table
from service.inference.card import ModelCard

_SETS = {"coco/val": "COCO val2017"}
"""Names of validation sets as readers know them."""


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder.

    Attributes:
        folder: `models/NAME/VERSION`.
    """

    folder: Path

    @cached_property
    def card(self) -> ModelCard:
        return ModelCard.model_validate_json((self.folder / "card.json").read_text("utf-8"))

    @property
    def megabytes(self) -> float:
        return (self.folder / "model.onnx").stat().st_size / 1e6

    @property
    def input(self) -> str:
        size = self.card.input
        shape = f"{size.height}x{size.width}"
        return f"{shape} crop" if self.card.task == "keypoints" else shape

    @property
    def measured_on(self) -> str:
        """The validation set, as its metrics are named."""
        (name,) = {key.removesuffix("/pictures") for key in self.card.metrics if "/pict" in key}
        return name

    def figures(self, boxes: str) -> str:
        """AP and AP50 on the boxes of that name."""
        metrics = self.card.metrics
        stem = f"{self.measured_on}/{boxes}"
        if f"{stem}/AP" not in metrics:
            return "not measured"
        return f"AP {metrics[f'{stem}/AP']:.3f}, AP50 {metrics[f'{stem}/AP50']:.3f}"

    @property
    def own_figures(self) -> str:
        if self.card.task == "detection":
            return f"box {self.figures('boxes')}"
        return f"{self.figures('gt-boxes')} with true boxes"


@dataclass(frozen=True)
class Pipeline:
    """An entry of `pipelines.toml` with the bundles that it names."""

    name: str
    detector: Bundle
    keypoints: Bundle
    min_person_score: float

    @property
    def end_to_end(self) -> str:
        return self.keypoints.figures(self.detector.card.reference)


def pipelines(models: Path) -> Sequence[Pipeline]:
    """The entries of `pipelines.toml`, in its order."""
    entries: Mapping[str, Any] = tomllib.loads((models / "pipelines.toml").read_text("utf-8"))
    return [
        Pipeline(
            name,
            _bundle(models, str(entry["detector"])),
            _bundle(models, str(entry["keypoints"])),
            float(entry["min_person_score"]),
        )
        for name, entry in entries.items()
    ]


def what_ships(models: Path) -> str:
    """The README's table: bundles, then each pipeline end to end."""
    found = pipelines(models)
    rows = [[f"`{b.card.reference}`", b.input, f"{b.megabytes:.1f} MB", b.own_figures] for b in _bundles(found)]
    for pipeline in found:
        rows.append([f"`{pipeline.name}`, end to end", "", "", pipeline.end_to_end])
    on = found[0].keypoints
    pictures = on.card.metrics[f"{on.measured_on}/pictures"]
    told = f"measured on {pictures:.0f} pictures of {_SETS.get(on.measured_on, on.measured_on)}"
    return table(["bundle", "input", "file", told], rows)


def pipeline_table(models: Path) -> str:
    """What each pipeline is made of, and what it reaches end to end."""
    rows = [
        [
            f"`{pipeline.name}`",
            f"`{pipeline.detector.card.reference}`",
            f"`{pipeline.keypoints.card.reference}`",
            str(pipeline.min_person_score),
            pipeline.end_to_end,
        ]
        for pipeline in pipelines(models)
    ]
    return table(["pipeline", "detector", "keypoints", "min_person_score", "end to end"], rows)


def bundle_table(models: Path) -> str:
    """What each bundle is, from its card."""
    rows: list[list[str]] = []
    for folder in sorted(path.parent for path in models.glob("*/*/card.json")):
        bundle = Bundle(folder)
        card = bundle.card
        page = f"../models/{card.reference}/README.md"
        rows.append(
            [
                f"[`{card.reference}`]({page})",
                card.task,
                bundle.input,
                card.precision,
                f"{bundle.megabytes:.1f} MB",
                f"`{card.recipe}`",
                bundle.own_figures,
            ]
        )
    heads = ["bundle", "task", "input", "precision", "file", "recipe", "measured on the file"]
    return table(heads, rows)


def _bundle(models: Path, reference: str) -> Bundle:
    """A bundle by `NAME/VERSION`, or the newest one of a name."""
    folder = models / reference
    if "/" not in reference:
        folder = max(folder.iterdir(), key=lambda version: int(version.name))
    return Bundle(folder)


def _bundles(found: Iterable[Pipeline]) -> Iterable[Bundle]:
    """Each once, those of keypoints first."""
    used = [*(p.keypoints for p in found), *(p.detector for p in found)]
    return {bundle.folder: bundle for bundle in used}.values()
