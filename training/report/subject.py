"""What a report is about: a run's folder or a bundle, read without measuring anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.inference.card import ModelCard
from service.inference.errors import InvalidData
from service.inference.execution import Execution
from service.inference.session import open_session
from training.bundle import data_name, make_card
from training.config import DataSet
from training.data.coco import people, pictures, read_coco
from training.info import Information, describe_bundle, describe_run
from training.open_model import onnx_file
from training.run import Run, open_run
from training.run_log import RunLog, read_log

ENVIRONMENT_FILE = "environment.json"
_DURATION = "duration_s"


@dataclass(frozen=True, slots=True)
class SetRow:
    """A data set of a run or bundle.

    Attributes:
        role: `training` or `validation`.
        name: short.
        samples: people with labelled joints, for a detector pictures; None where not known here.
        weight: in a run; None where not recorded.
        terms: licence; empty where not recorded.
    """

    role: str
    name: str
    samples: int | None
    weight: float | None
    terms: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A run or a bundle.

    Attributes:
        path: as it was given.
        information: task, size, cost.
        card: of the bundle, or the one that the run would be exported with.
        log: of the run; None for a bundle.
        environment: as `training.environment` describes it; None where not recorded.
        sets: of data.
        val: to measure on if nothing else is named.
        has_weights: whether there is a network to measure.
    """

    path: Path
    information: Information
    card: ModelCard
    log: RunLog | None
    environment: Mapping[str, Any] | None
    sets: tuple[SetRow, ...]
    val: DataSet | None
    has_weights: bool

    @property
    def duration_s(self) -> float | None:
        """Time spent on the run's epochs; None where not recorded."""
        noted = (self.environment or {}).get(_DURATION)
        if isinstance(noted, int | float):
            return float(noted)
        return None if self.log is None else self.log.total("seconds")


def open_subject(path: Path) -> Subject:
    """Reads a run's folder, a bundle's folder or an ONNX file.

    Raises:
        InvalidData: the path is none of them, or a file of the run cannot be read.
        InvalidBundle: the bundle cannot be used.
    """
    file = onnx_file(path)
    return _run(path) if file is None else _bundle(path, file)


def _bundle(path: Path, file: Path) -> Subject:
    card = open_session(file, Execution(device="cpu")).card
    sets = [SetRow("training", data.name, data.samples, None, data.licence) for data in card.data]
    return Subject(
        path=path,
        information=describe_bundle(file),
        card=card,
        log=None,
        environment=None,
        sets=tuple(sets),
        val=None,
        has_weights=True,
    )


def _run(path: Path) -> Subject:
    run = open_run(path)
    data = run.config.data
    sets = [("training", one) for one in data.train] + [("validation", one) for one in data.val]
    return Subject(
        path=path,
        information=describe_run(path),
        card=make_card(run.config, run.skeleton, ()),
        log=read_log(path),
        environment=_environment(path),
        sets=tuple(_set_row(role, one, run) for role, one in sets),
        val=data.val[0] if data.val else None,
        has_weights=run.best_weights.is_file(),
    )


def _set_row(role: str, data: DataSet, run: Run) -> SetRow:
    """The page shall also be made where the training data is not."""
    try:
        coco = read_coco(data)
        samples = len(people(coco)) if run.config.task == "keypoints" else len(pictures(coco))
    except InvalidData:
        samples = None
    return SetRow(role, data_name(data), samples, data.weight, "")


def _environment(folder: Path) -> Mapping[str, Any] | None:
    path = folder / ENVIRONMENT_FILE
    try:
        document: Any = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InvalidData(f"run: {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InvalidData(f"run: {path} is not a JSON object")
    return document  # pyright: ignore[reportUnknownVariableType] - JSON has no types
