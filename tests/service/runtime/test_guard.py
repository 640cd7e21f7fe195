from dataclasses import replace

import numpy as np
import pytest

from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.inference.types import Image
from service.runtime.guard import guard
from service.runtime.ticket import ClientGone, DeadlinePassed, Ticket


class Counting:
    """A session that counts its runs, and does something after each."""

    def __init__(self, session, after=lambda: None) -> None:
        self.card, self.provider = session.card, session.provider
        self._session, self._after = session, after
        self.runs = 0

    def run(self, image):
        self.runs += 1
        answer = self._session.run(image)
        self._after()
        return answer


@pytest.fixture
def estimator(models_dir):
    return load_pipeline(models_dir, "default", Execution(device="cpu"))


@pytest.fixture
def image() -> Image:
    return Image(np.full((64, 64, 3), 255, np.uint8))


def test_networks_run_while_somebody_waits(estimator, image):
    counting = Counting(estimator.keypoints)

    prediction = guard(replace(estimator, keypoints=counting), Ticket(60)).predict(image)

    assert prediction.persons == estimator.predict(image).persons
    assert prediction.persons
    assert counting.runs == 1


def test_no_network_runs_for_a_deadline_that_has_passed(estimator, image):
    detector, keypoints = Counting(estimator.detector), Counting(estimator.keypoints)
    counted = replace(estimator, detector=detector, keypoints=keypoints)

    with pytest.raises(DeadlinePassed):
        guard(counted, Ticket(1e-9)).predict(image)

    assert (detector.runs, keypoints.runs) == (0, 0)


def test_client_that_leaves_during_detection_costs_no_keypoints(estimator, image):
    ticket = Ticket()
    detector = Counting(estimator.detector, after=ticket.cancel)
    keypoints = Counting(estimator.keypoints)

    with pytest.raises(ClientGone):
        guard(replace(estimator, detector=detector, keypoints=keypoints), ticket).predict(image)

    assert (detector.runs, keypoints.runs) == (1, 0)
