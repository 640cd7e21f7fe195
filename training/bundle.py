"""What a bundle says about itself: the card in and beside the ONNX file, and a page to read."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import onnx
from pydantic import JsonValue, ValidationError

from service.inference.card import METADATA_KEY, DataSource, ModelCard, Precision, Skeleton
from service.inference.cores import available_cores
from service.inference.errors import InvalidInput
from service.inference.execution import Execution
from service.inference.repository import load_bundle
from service.inference.session import Session
from service.inference.validation import first_problem
from training.config import DataSet, TrainConfig
from training.model_page import model_page
from training.onnx_form import opset_of

_UNKNOWN_LICENCE = "not stated"
_BACKBONE_WORDS = ("imagenet", "none")
_onnx_helper = cast("Any", onnx.helper)


def make_card(
    config: TrainConfig,
    skeleton: Skeleton | None,
    data: tuple[DataSource, ...],
    *,
    name: str | None = None,
    version: int | None = None,
) -> ModelCard:
    """The card of a trained network that is not yet measured.

    Args:
        config: of the run.
        skeleton: of the run, for keypoints.
        data: that it was trained on.
        name: of the bundle; the configuration's if None.
        version: of the bundle; the configuration's if None.

    Raises:
        InvalidInput: the name or version is not allowed.
    """
    # Imported for runs only: a bundle is converted without Keras, whose import takes seconds.
    from training.keras_session import provisional_card

    draft = provisional_card(config, skeleton)
    return changed_card(
        draft,
        name=draft.name if name is None else name,
        version=draft.version if version is None else version,
        config=public_config(config),
        data=data,
    )


def changed_card(card: ModelCard, **fields: object) -> ModelCard:
    """A card with other values in some fields.

    Raises:
        InvalidInput: a value is not allowed.
    """
    try:
        return ModelCard.model_validate(card.model_dump() | fields)
    except ValidationError as error:
        raise InvalidInput(first_problem(error)) from error


def data_source(data: DataSet, samples: int, licences: Mapping[str, str]) -> DataSource:
    """A data set by its short name, its terms and the number of samples in it."""
    name = data_name(data)
    return DataSource(name=name, licence=licences.get(name, _UNKNOWN_LICENCE), samples=samples)


def data_name(data: DataSet) -> str:
    """A short name: of the folder for `folder/annotations.json`, in COCO's layout `coco/train`."""
    stem = data.annotations.stem.removeprefix("person_keypoints_")
    folder = data.annotations.absolute().parent
    if stem == "annotations":
        return folder.name
    return f"{folder.parent.name}/{stem}" if folder.name == "annotations" else stem


def public_config(config: TrainConfig) -> dict[str, JsonValue]:
    """The configuration as JSON, every path reduced to its last part: folders are private."""
    sets = {
        "train": tuple(_without_folders(data) for data in config.data.train),
        "val": tuple(_without_folders(data) for data in config.data.val),
    }
    weights, start = config.backbone_weights, config.init_weights
    public = config.model_copy(
        update={
            "data": config.data.model_copy(update=sets),
            "backbone_weights": weights if weights in _BACKBONE_WORDS else Path(weights).name,
            "init_weights": None if start is None else Path(start.name),
        }
    )
    return public.model_dump(mode="json")


def write_bundle(
    folder: Path, model: onnx.ModelProto, card: ModelCard, notes: str | None = None
) -> None:
    """Writes `model.onnx` with the card inside, `card.json` and `README.md` into a folder.

    Args:
        folder: that exists.
        model: gets the card.
        card: gets the opset of the model.
        notes: Markdown by its author, to stand at the end of the page.
    """
    card = card.model_copy(update={"opset": opset_of(model)})
    _onnx_helper.set_model_props(model, {METADATA_KEY: card.model_dump_json()})
    content = model.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(content)
    hashed = card.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    (folder / "card.json").write_text(hashed.model_dump_json(indent=2) + "\n", "utf-8")
    (folder / "README.md").write_text(model_page(hashed, notes), "utf-8")


def write_draft(
    models_dir: Path, model: onnx.ModelProto, card: ModelCard, notes: str | None = None
) -> Session:
    """Writes a bundle into a models folder of its own and opens it as the service does.

    Raises:
        InvalidBundle: it cannot be loaded, or does not answer a test picture.
    """
    folder = models_dir / card.reference
    folder.mkdir(parents=True, exist_ok=True)
    write_bundle(folder, model, card, notes)
    return load_bundle(
        models_dir, card.reference, Execution(device="cpu", threads=available_cores())
    )[0]


def variant_name(name: str, precision: Precision) -> str:
    """The name of a bundle in some precision: `pose-mine`, `pose-mine-int8`."""
    return name if precision == "fp32" else f"{name}-{precision}"


def free_folder(models_dir: Path, reference: str, *, force: bool) -> Path:
    """Where a bundle `name/version` shall be written.

    Raises:
        InvalidInput: it exists already and may not be replaced.
    """
    target = models_dir / reference
    if target.exists() and not force:
        raise InvalidInput(f"version: {target} exists already; choose another one, or use force")
    return target


def install(finished: Path, target: Path) -> None:
    """Moves a bundle to its place in one step, so that no reader sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        shutil.copytree(finished, fresh)
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)


def _without_folders(data: DataSet) -> DataSet:
    names = {"annotations": Path(data.annotations.name), "images": Path(data.images.name)}
    return data.model_copy(update=names)
