"""The folder of models: bundles by name and version, and the pipelines that pair them.

```
models/
  pipelines.toml
  person-detector/1/model.onnx, card.json
  pose-mobilenetv2/1/model.onnx, card.json
```
"""

import hashlib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.inference.card import ModelCard, Name, Task
from service.inference.errors import InvalidBundle
from service.inference.estimator import PoseEstimator
from service.inference.execution import Execution
from service.inference.session import OnnxSession, Session, open_replicas
from service.inference.validation import first_problem
from service.inference.versions import CARD_FILE, MODEL_FILE, with_version

PIPELINES_FILE = "pipelines.toml"

_NAME = r"(?P<name>[a-z0-9][a-z0-9._-]*)"
_REFERENCE = re.compile(_NAME + r"/(?P<version>[1-9][0-9]*)")

Reference = Annotated[str, Field(pattern=f"^{_NAME}(/[1-9][0-9]*)?$")]


class PipelineConfig(BaseModel):
    """A table of `pipelines.toml`: which bundles work together.

    Attributes:
        detector: `name/version` of a bundle of task `detection`; `name` is its newest version.
        keypoints: likewise, of a bundle of task `keypoints`.
        min_person_score: people below are left out unless a request says otherwise.
        min_box_score: boxes below are not looked at unless a request names a score for people; a
            person scores at most what its box does, so it is the higher of the two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    detector: Reference
    keypoints: Reference
    min_person_score: float = Field(ge=0, le=1)
    min_box_score: float | None = Field(default=None, ge=0, le=1)


def read_pipelines(models_dir: Path) -> dict[str, PipelineConfig]:
    """All pipelines of a models folder by name.

    Raises:
        InvalidBundle: the file is missing, is not TOML or has a wrong or missing field.
    """
    path = models_dir / PIPELINES_FILE
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
        return TypeAdapter(dict[Name, PipelineConfig]).validate_python(content)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidBundle(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise InvalidBundle(f"{path} is invalid: {first_problem(error)}") from error


def pipeline_config(models_dir: Path, name: str) -> PipelineConfig:
    """A pipeline's entry, with the newest versions where it names none.

    Raises:
        InvalidBundle: there is no such pipeline, or no version of one of its bundles.
    """
    pipelines = read_pipelines(models_dir)
    if name not in pipelines:
        known = ", ".join(sorted(pipelines)) or "no pipeline"
        raise InvalidBundle(f"pipeline is {name!r}; {models_dir / PIPELINES_FILE} has {known}")
    config = pipelines[name]
    return config.model_copy(
        update={
            "detector": with_version(models_dir, config.detector),
            "keypoints": with_version(models_dir, config.keypoints),
        }
    )


def load_pipeline(models_dir: Path, name: str, execution: Execution) -> PoseEstimator:
    """Opens the two bundles of a pipeline, checked and warmed up, for one caller at a time.

    Also tells OpenCV how many threads one call may use in this process.

    Args:
        models_dir: the folder.
        name: of a table in `pipelines.toml`.
        execution: what both networks run on; of several GPUs the first does the work.

    Raises:
        InvalidBundle: the pipeline or a bundle is missing or not as it should be.
        DeviceUnavailable: a GPU was asked for and a network cannot run on it.
    """
    cv2.setNumThreads(execution.threads)
    config = pipeline_config(models_dir, name)
    return pair(name, config, lambda reference: load_bundle(models_dir, reference, execution)[0])


def pair(name: str, config: PipelineConfig, open_bundle: Callable[[str], Session]) -> PoseEstimator:
    """A pipeline of two bundles that fit together.

    Args:
        name: of the pipeline.
        config: its entry, with versions.
        open_bundle: opens `name/version`.

    Raises:
        InvalidBundle: a bundle is missing, not as it should be, or of another task.
    """
    detector = open_bundle(config.detector)
    _check_task(name, detector.card, "detection")
    keypoints = open_bundle(config.keypoints)
    _check_task(name, keypoints.card, "keypoints")
    return PoseEstimator(name, detector, keypoints, config.min_person_score, config.min_box_score)


def load_bundle(models_dir: Path, reference: str, execution: Execution) -> tuple[OnnxSession, ...]:
    """Opens a bundle, checks it against `card.json` and runs it on a test picture.

    Args:
        models_dir: the folder.
        reference: `name/version`.
        execution: what it is to run on.

    Returns:
        One session for each GPU, or one for the CPU.

    Raises:
        InvalidBundle: it is missing or not as it should be.
        DeviceUnavailable: a GPU was asked for and the network cannot run on it.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InvalidBundle(f"bundle is {reference!r}; expected name/version, as person-detector/1")
    folder = models_dir / match["name"] / match["version"]
    path = folder / MODEL_FILE
    opened = open_replicas(path, execution)
    card = opened[0].card
    if card.reference != reference:
        raise InvalidBundle(f"{path} is {card.reference} by its card, not {reference}")
    hashed = _checked_with_hash(folder / CARD_FILE, path, card)
    replicas = tuple(session.described_by(hashed) for session in opened)
    try:
        for session in replicas:
            session.warm_up()
    except InvalidBundle as error:
        raise InvalidBundle(f"{path}: {error}") from error
    return replicas


def _check_task(pipeline: str, card: ModelCard, task: Task) -> None:
    if card.task != task:
        raise InvalidBundle(
            f"pipeline {pipeline!r} names {card.reference} of task {card.task}; "
            f"expected a bundle of task {task}"
        )


def _checked_with_hash(path: Path, model: Path, embedded: ModelCard) -> ModelCard:
    """The card inside the model with the file's hash; `card.json`, if any, must tell the same."""
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    hashed = embedded.model_copy(update={"sha256": digest})
    if not path.exists():
        return hashed
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidBundle(f"{path} is invalid: {first_problem(error)}") from error
    for field in ModelCard.model_fields:
        if field != "sha256" and getattr(card, field) != getattr(embedded, field):
            raise InvalidBundle(f"{path} differs in {field} from the card inside {model}")
    if card.sha256 not in (None, digest):
        raise InvalidBundle(f"{model} has the SHA-256 {digest}; {path} expects {card.sha256}")
    return hashed
