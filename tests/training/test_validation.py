from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from service.inference.session import Answer, Session
from service.inference.types import Size
from training import validation
from training.config import DataSet
from training.data.coco import CocoFile, read_coco
from training.parity import synthetic_pictures
from training.recipes import recipe
from training.run import create_run, empty_network

SIZES = (Size(96, 96), Size(64, 128), Size(128, 64))


@pytest.fixture
def coco(stick_people: Callable[..., DataSet]) -> CocoFile:
    return read_coco(stick_people(pictures=1))


def test_averaged_weights_are_measured_at_every_size_of_the_input(
    coco: CocoFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[list[Answer]] = []

    def ask(session: Session, _: CocoFile) -> object:
        answers.append([session.run(synthetic_pictures(size, 1)) for size in SIZES])
        return SimpleNamespace(metrics={})

    monkeypatch.setattr(validation, "evaluate_alone", ask)
    run = create_run(tmp_path / "run", recipe("person-detector-debug"), None)
    measured = validation.Validation(run, [coco], lambda: None)
    weights = empty_network(run.config, None).get_weights()

    measured.measure(weights)
    # The last one is the bias of the logits, of which the first is of the score.
    weights[-1][0] += 2.0
    measured.measure(weights)

    for before, after in zip(*answers, strict=True):
        odds = [answer["scores"][0, 0] / (1 - answer["scores"][0, 0]) for answer in (before, after)]
        np.testing.assert_allclose(odds[1] / odds[0], np.exp(2.0), rtol=1e-3)
