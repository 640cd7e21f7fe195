"""The verb `export`: a run becomes a bundle, once it answers and measures as the run does."""

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from service.inference.card import DataSource, ModelCard
from service.inference.cores import available_cores
from service.inference.errors import InvalidBundle, InvalidData, InvalidInput
from service.inference.estimator import PoseEstimator
from service.inference.repository import load_bundle
from service.inference.session import Session
from service.inference.types import Pixels
from training.bundle import data_name, data_source, make_card, write_bundle
from training.config import DataSet, Weights
from training.data.coco import CocoFile, read_coco
from training.evaluate import evaluate_alone, evaluate_pipeline
from training.evaluation import Evaluation
from training.fit import make_samples
from training.keras_session import KerasSession
from training.networks.build import with_decoder
from training.onnx_graph import to_onnx
from training.open_model import open_model
from training.parity import check_parity, synthetic_pictures
from training.run import Run, open_run

MAX_AP_DIFFERENCE = 0.001
_PARITY_PICTURES = 10


def export_run(
    run_folder: Path,
    models_dir: Path,
    *,
    weights: Weights = "best",
    name: str | None = None,
    version: int | None = None,
    val: DataSet | None = None,
    detector: Path | None = None,
    limit: int | None = None,
    licences: Mapping[str, str] | None = None,
    force: bool = False,
) -> Path:
    """Writes the best network of a run as `models_dir/name/version/`.

    The exported file must agree with Keras on pictures and, where there is a validation set, in
    average precision; otherwise nothing is left behind.

    Args:
        run_folder: of the run; its training data must still be where it was, to be counted.
        models_dir: folder of bundles.
        weights: of the run: `best` was chosen by its validation set, `final` by nobody.
        name: of the bundle; None takes the run's `model_name`.
        version: of the bundle; None takes the run's `model_version`.
        val: to measure on; None takes the run's own first validation set, if it has one.
        detector: a detector's bundle; a keypoint network is then measured end to end as well.
        limit: measure on the first so many pictures only.
        licences: of training sets, by their short names.
        force: replace a bundle of that name and version.

    Returns:
        The bundle's folder.

    Raises:
        InvalidInput: an argument is wrong, or the bundle exists already.
        InvalidData: the run, its data or the validation set cannot be used.
        InvalidBundle: the exported file does not agree with Keras; the message has the figures.
    """
    run = open_run(run_folder)
    card = make_card(
        run.config, run.skeleton, _sources(run, licences or {}), name=name, version=version
    )
    target = models_dir / card.name / str(card.version)
    if target.exists() and not force:
        raise InvalidInput(f"version: {target} exists already; choose another one, or use force")
    val_file = _validation_file(run, val, limit)
    with tempfile.TemporaryDirectory() as folder:
        finished = _build(run, weights, card, val_file, detector, Path(folder))
        _install(finished, target)
    return target


def _build(
    run: Run,
    weights: Weights,
    card: ModelCard,
    val: CocoFile | None,
    detector: Path | None,
    models_dir: Path,
) -> Path:
    """Writes and checks the bundle in a models folder of its own."""
    network = with_decoder(run.network(weights), run.config)
    model = to_onnx(network)
    keras_network = KerasSession(network, card)
    folder = models_dir / card.name / str(card.version)
    folder.mkdir(parents=True)
    write_bundle(folder, model, card)
    exported = _load(models_dir, card)
    check_parity(keras_network, exported, _pictures(run, val))
    if val is not None:
        metrics = _measured(keras_network, exported, val)
        if detector is not None:
            metrics |= _measured_end_to_end(open_model(detector, "cpu"), exported, val)
        # The graph stays what was measured; only the card inside the file changes.
        write_bundle(folder, model, card.model_copy(update={"metrics": metrics}))
        _load(models_dir, card)
    return folder


def _load(models_dir: Path, card: ModelCard) -> Session:
    """Opens a bundle as the service does."""
    return load_bundle(models_dir, card.reference, device="cpu", threads=available_cores())


def _install(finished: Path, target: Path) -> None:
    """Moves a bundle to its place in one step, so that no reader sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        shutil.copytree(finished, fresh)
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)


def _sources(run: Run, licences: Mapping[str, str]) -> tuple[DataSource, ...]:
    sets = run.config.data.train
    unknown = sorted(set(licences) - {data_name(data) for data in sets})
    if unknown:
        names = ", ".join(data_name(data) for data in sets) or "none"
        raise InvalidInput(
            f"licences: {unknown[0]!r} is no training set of the run; it has {names}"
        )
    return tuple(
        data_source(data, len(make_samples(read_coco(data), run.config, run.skeleton)), licences)
        for data in sets
    )


def _validation_file(run: Run, val: DataSet | None, limit: int | None) -> CocoFile | None:
    sets: Sequence[DataSet] = run.config.data.val if val is None else (val,)
    if not sets:
        return None
    coco = read_coco(sets[0])
    if limit is None:
        return coco
    images = coco.document["images"][:limit]
    known = {image["id"] for image in images}
    return dataclasses.replace(
        coco,
        document={
            **coco.document,
            "images": images,
            "annotations": [
                annotation
                for annotation in coco.document["annotations"]
                if annotation["image_id"] in known
            ],
        },
    )


def _pictures(run: Run, val: CocoFile | None) -> Pixels:
    """What to compare the networks on: inputs from all over the validation set, or noise."""
    if val is None:
        return synthetic_pictures(run.config.input.size, _PARITY_PICTURES)
    samples = make_samples(val, run.config, run.skeleton)
    if not len(samples):
        raise InvalidData(f"val: {val.path} has nothing in it to measure on")
    rng = np.random.default_rng(0)
    chosen = np.linspace(0, len(samples) - 1, min(_PARITY_PICTURES, len(samples))).astype(int)
    return np.stack([samples.sample(index, rng, None)[0] for index in chosen.tolist()])


def _measured(reference: Session, exported: Session, val: CocoFile) -> dict[str, float]:
    """The figures of the exported network, after a look at its distance from Keras."""
    expected, evaluation = evaluate_alone(reference, val), evaluate_alone(exported, val)
    before, after = expected.metrics["AP"], evaluation.metrics["AP"]
    if not abs(after - before) <= MAX_AP_DIFFERENCE:
        raise InvalidBundle(
            f"exported network reaches AP {after:.4f}, Keras {before:.4f}; "
            f"allowed is a difference of {MAX_AP_DIFFERENCE}"
        )
    set_name = _set_name(val)
    boxes = "boxes" if exported.card.task == "detection" else "gt-boxes"
    figures = _figures(f"{set_name}/{boxes}", evaluation)
    counts = {"pictures": evaluation.pictures, "people": evaluation.people}
    return figures | {f"{set_name}/{what}": float(count) for what, count in counts.items()}


def _measured_end_to_end(detector: Session, exported: Session, val: CocoFile) -> dict[str, float]:
    pipeline = PoseEstimator("evaluation", detector, exported, min_person_score=0.0)
    evaluation = evaluate_pipeline(pipeline, val)
    prefix = f"{_set_name(val)}/{evaluation.boxes}"
    return _figures(prefix, evaluation)


def _figures(prefix: str, evaluation: Evaluation) -> dict[str, float]:
    # -1 is COCO's word for a size that nobody has.
    return {
        f"{prefix}/{figure}": round(value, 4)
        for figure, value in evaluation.metrics.items()
        if value >= 0
    }


def _set_name(val: CocoFile) -> str:
    return data_name(DataSet(annotations=val.path, images=val.images))
