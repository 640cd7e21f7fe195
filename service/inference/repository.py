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
from pathlib import Path
from typing import Annotated

import cv2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.inference.card import ModelCard, Name, Task
from service.inference.errors import InvalidBundle
from service.inference.estimator import PoseEstimator
from service.inference.session import Device, OnnxSession, open_session
from service.inference.validation import first_problem

PIPELINES_FILE = "pipelines.toml"

_REFERENCE = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)/(?P<version>[1-9][0-9]*)")

Reference = Annotated[str, Field(pattern=f"^{_REFERENCE.pattern}$")]


class PipelineConfig(BaseModel):
    """A table of `pipelines.toml`: which bundles work together.

    Attributes:
        detector: `name/version` of a bundle of task `detection`.
        keypoints: `name/version` of a bundle of task `keypoints`.
        min_person_score: people below are left out unless a request says otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    detector: Reference
    keypoints: Reference
    min_person_score: float = Field(ge=0, le=1)


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


def load_pipeline(models_dir: Path, name: str, *, device: Device, threads: int) -> PoseEstimator:
    """Opens the two bundles of a pipeline, checked and warmed up.

    Also tells OpenCV how many threads one call may use in this process: pictures are worked on side
    by side, so more than the networks get would only make them wait for each other.

    Args:
        models_dir: the folder.
        name: of a table in `pipelines.toml`.
        device: for both networks.
        threads: for one run on the CPU.

    Raises:
        InvalidBundle: the pipeline or a bundle is missing or not as it should be.
        DeviceUnavailable: the device is `cuda` and a network cannot run on it.
    """
    pipelines = read_pipelines(models_dir)
    if name not in pipelines:
        known = ", ".join(sorted(pipelines)) or "no pipeline"
        raise InvalidBundle(f"pipeline is {name!r}; {models_dir / PIPELINES_FILE} has {known}")
    config = pipelines[name]
    cv2.setNumThreads(threads)
    detector = load_bundle(models_dir, config.detector, device=device, threads=threads)
    _check_task(name, detector.card, "detection")
    keypoints = load_bundle(models_dir, config.keypoints, device=device, threads=threads)
    _check_task(name, keypoints.card, "keypoints")
    return PoseEstimator(name, detector, keypoints, config.min_person_score)


def load_bundle(models_dir: Path, reference: str, *, device: Device, threads: int) -> OnnxSession:
    """Opens a bundle, checks it against `card.json` and runs it on a test picture.

    Args:
        models_dir: the folder.
        reference: `name/version`.
        device: to run it on.
        threads: for one run on the CPU.

    Raises:
        InvalidBundle: it is missing or not as it should be.
        DeviceUnavailable: the device is `cuda` and the network cannot run on it.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InvalidBundle(f"bundle is {reference!r}; expected name/version, as person-detector/1")
    folder = models_dir / match["name"] / match["version"]
    path = folder / "model.onnx"
    session = open_session(path, device=device, threads=threads)
    card = session.card
    if card.reference != reference:
        raise InvalidBundle(f"{path} is {card.reference} by its card, not {reference}")
    _check_card_beside(folder / "card.json", path, card)
    try:
        session.warm_up()
    except InvalidBundle as error:
        raise InvalidBundle(f"{path}: {error}") from error
    return session


def _check_task(pipeline: str, card: ModelCard, task: Task) -> None:
    if card.task != task:
        raise InvalidBundle(
            f"pipeline {pipeline!r} names {card.reference} of task {card.task}; "
            f"expected a bundle of task {task}"
        )


def _check_card_beside(path: Path, model: Path, embedded: ModelCard) -> None:
    """Checks that `card.json`, if there is one, tells the same as the card inside the model."""
    if not path.exists():
        return
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidBundle(f"{path} is invalid: {first_problem(error)}") from error
    for field in ModelCard.model_fields:
        if field != "sha256" and getattr(card, field) != getattr(embedded, field):
            raise InvalidBundle(f"{path} differs in {field} from the card inside {model}")
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if card.sha256 not in (None, digest):
        raise InvalidBundle(f"{model} has the SHA-256 {digest}; {path} expects {card.sha256}")
