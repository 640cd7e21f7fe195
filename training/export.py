"""The verb `export`: a run becomes a bundle, once it answers and measures as the run does."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.inference.card import DataSource, ModelCard
from service.inference.errors import InvalidBundle, InvalidInput
from service.inference.session import Session
from service.inference.types import Pixels, Size
from training.bundle import (
    data_name,
    data_source,
    free_folder,
    install,
    make_card,
    write_draft,
)
from training.card_figures import (
    average_precision,
    figures_alone,
    figures_end_to_end,
    read_first,
)
from training.config import DataSet, Weights
from training.data.coco import CocoFile, read_coco
from training.evaluate import evaluate_alone
from training.keras_session import session_of_run
from training.network_inputs import draw_inputs, labelled_records
from training.onnx_any_size import network_to_onnx
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
    notes: str | None = None,
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
        notes: for the end of the bundle's page, Markdown.
        force: replace a bundle of that name and version.

    Returns:
        The bundle's folder.

    Raises:
        InvalidInput: an argument is wrong, or the bundle exists already.
        InvalidData: the run, its data or the validation set cannot be used.
        InvalidBundle: the exported file does not agree with Keras; the message has the figures.
    """
    run = open_run(run_folder)
    sources = _sources(run, licences or {})
    card = make_card(run.config, run.skeleton, sources, name=name, version=version)
    card = card.model_copy(update={"effort": run.effort()})
    target = free_folder(models_dir, card.reference, force=force)
    val_file = _validation_file(run, val, limit)
    network = run.network(weights)
    model = network_to_onnx(network, run.config)
    keras_network = session_of_run(run, network, card)
    with tempfile.TemporaryDirectory() as folder:
        exported = write_draft(Path(folder), model, card, notes)
        _check_parity(keras_network, exported, val_file)
        if val_file is not None:
            metrics = _measured(keras_network, exported, val_file)
            if detector is not None:
                metrics |= figures_end_to_end(exported, val_file, detector)
            # The graph stays what was measured; only the card inside the file changes.
            write_draft(Path(folder), model, card.model_copy(update={"metrics": metrics}), notes)
        install(Path(folder) / card.reference, target)
    return target


def _sources(run: Run, licences: Mapping[str, str]) -> tuple[DataSource, ...]:
    sets = run.config.data.train
    unknown = sorted(set(licences) - {data_name(data) for data in sets})
    if unknown:
        names = ", ".join(data_name(data) for data in sets) or "none"
        raise InvalidInput(
            f"licences: {unknown[0]!r} is no training set of the run; it has {names}"
        )
    return tuple(
        data_source(data, len(labelled_records(run.config.task, read_coco(data))), licences)
        for data in sets
    )


def _validation_file(run: Run, val: DataSet | None, limit: int | None) -> CocoFile | None:
    sets: Sequence[DataSet] = run.config.data.val if val is None else (val,)
    return read_first(sets[0], limit) if sets else None


def _check_parity(reference: Session, exported: Session, val: CocoFile | None) -> None:
    """At every size of the input."""
    for size in exported.card.sizes:
        check_parity(reference, exported, _pictures(exported.card, size, val))


def _pictures(card: ModelCard, size: Size, val: CocoFile | None) -> Pixels:
    """What to compare the networks on: inputs from all over the validation set, or noise."""
    if val is None:
        return synthetic_pictures(size, _PARITY_PICTURES)
    return draw_inputs(card, [val], _PARITY_PICTURES, size)


def _measured(reference: Session, exported: Session, val: CocoFile) -> dict[str, float]:
    """The figures of the exported network, after a look at its distance from Keras."""
    before = average_precision(evaluate_alone(reference, val))
    evaluation = evaluate_alone(exported, val)
    after = average_precision(evaluation)
    if not abs(after - before) <= MAX_AP_DIFFERENCE:
        raise InvalidBundle(
            f"exported network reaches AP {after:.4f}, Keras {before:.4f}; "
            f"allowed is a difference of {MAX_AP_DIFFERENCE}"
        )
    return figures_alone(exported, val, evaluation)
