"""Tables of the bundles and pipelines in `models/`, read from their cards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from docs.tables.markdown import table
from service.inference.card import ModelCard
from service.inference.repository import PipelineConfig, read_pipelines
from service.inference.versions import CARD_FILE, MODEL_FILE, with_version

_SETS = {"coco/val": "COCO val2017"}
"""Names of validation sets as readers know them."""
_COUNT = "/pictures"
"""Ends the metric that tells how many pictures a set has."""


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder.

    Attributes:
        folder: `models/NAME/VERSION`.
    """

    folder: Path

    @cached_property
    def card(self) -> ModelCard:
        return ModelCard.model_validate_json((self.folder / CARD_FILE).read_text("utf-8"))

    @property
    def file(self) -> str:
        return f"{(self.folder / MODEL_FILE).stat().st_size / 1e6:.1f} MB"

    @property
    def input(self) -> str:
        shape = " or ".join(f"{size.height}x{size.width}" for size in self.card.sizes)
        return f"{shape} crop" if self.card.task == "keypoints" else shape

    @property
    def pictures(self) -> str:
        """What its figures were measured on."""
        count = self.card.metrics.get(f"{self._set}{_COUNT}", 0)
        return f"{count:.0f} pictures of {_SETS.get(self._set, self._set)}" if count else "nothing"

    @property
    def own_figures(self) -> str:
        """Of the network alone."""
        if self.card.task == "detection":
            return f"box {self.figures('boxes')}"
        return f"{self.figures('gt-boxes')} with true boxes"

    def figures(self, boxes: str) -> str:
        """AP and AP50 on the boxes of that name."""
        metrics = self.card.metrics
        stem = f"{self._set}/{boxes}"
        if f"{stem}/AP" not in metrics:
            return "AP not measured"
        return f"AP {metrics[f'{stem}/AP']:.3f}, AP50 {metrics[f'{stem}/AP50']:.3f}"

    @property
    def _set(self) -> str:
        """The first validation set, as the metrics name it."""
        names = (name for name in self.card.metrics if name.endswith(_COUNT))
        return next(names, _COUNT).removesuffix(_COUNT)


@dataclass(frozen=True)
class Pipeline:
    """An entry of `pipelines.toml` with the bundles that it names."""

    name: str
    config: PipelineConfig
    detector: Bundle
    keypoints: Bundle

    @property
    def end_to_end(self) -> str:
        """Figures with the boxes of the detector."""
        return self.keypoints.figures(self.detector.card.reference)


def pipelines(models: Path) -> Sequence[Pipeline]:
    """The entries of `pipelines.toml`, in its order."""
    return [
        Pipeline(
            name,
            config,
            Bundle(models / with_version(models, config.detector)),
            Bundle(models / with_version(models, config.keypoints)),
        )
        for name, config in read_pipelines(models).items()
    ]


def what_ships(models: Path) -> str:
    """The README's table: the bundles of the pipelines, then each pipeline end to end."""
    found = pipelines(models)
    usual = found[0].keypoints.pictures
    rows = [
        [f"`{bundle.card.reference}`", bundle.input, bundle.file, _told(bundle, usual)]
        for bundle in _bundles(found)
    ]
    rows += [[f"`{entry.name}`, end to end", "", "", entry.end_to_end] for entry in found]
    return table(["bundle", "input", "file", f"measured on {usual}"], rows)


def pipeline_table(models: Path) -> str:
    """What each pipeline is made of, and what it reaches end to end."""
    rows = [
        [
            f"`{entry.name}`",
            f"`{entry.detector.card.reference}`",
            f"`{entry.keypoints.card.reference}`",
            f"{entry.config.min_person_score:g}",
            entry.end_to_end,
            entry.keypoints.pictures,
        ]
        for entry in pipelines(models)
    ]
    heads = ["pipeline", "detector", "keypoints", "`min_person_score`", "end to end", "on"]
    return table(heads, rows)


def bundle_table(models: Path) -> str:
    """What each bundle is, from its card."""
    found = sorted(path.parent for path in models.glob(f"*/*/{CARD_FILE}"))
    rows = [
        [
            f"[`{bundle.card.reference}`](../models/{bundle.card.reference}/README.md)",
            bundle.card.task,
            bundle.input,
            bundle.card.precision,
            bundle.file,
            f"`{bundle.card.recipe}`",
            bundle.own_figures,
            bundle.pictures,
        ]
        for bundle in map(Bundle, found)
    ]
    heads = ["bundle", "task", "input", "precision", "file", "recipe", "measured on the file", "on"]
    return table(heads, rows)


def _told(bundle: Bundle, usual: str) -> str:
    """Its figures; with what they were measured on where that is not as the heading says."""
    other = "" if bundle.pictures == usual else f" ({bundle.pictures})"
    return bundle.own_figures + other


def _bundles(found: Iterable[Pipeline]) -> Iterable[Bundle]:
    """Each once, those of keypoints first."""
    used = [*(p.keypoints for p in found), *(p.detector for p in found)]
    return {bundle.folder: bundle for bundle in used}.values()
