import numpy as np
import pytest

from service.inference.execution import Execution
from service.inference.repository import load_pipeline
from service.runtime.metered import Metered


@pytest.fixture
def seen():
    return []


@pytest.fixture
def metered(models_dir, seen):
    estimator = load_pipeline(models_dir, "default", Execution(device="cpu"))
    return Metered(estimator.keypoints, lambda *run: seen.append(run))


def crops(count: int, session) -> np.ndarray:
    size = session.card.input
    return np.zeros((count, size.height, size.width, 3), np.uint8)


def test_each_run_is_told_with_its_task_rows_and_time(metered, seen):
    metered.run(crops(3, metered))

    ((task, rows, elapsed_s),) = seen
    assert (task, rows) == ("keypoints", 3)
    assert 0 < elapsed_s < 60


def test_the_answer_is_the_sessions(metered):
    mine, its = metered.run(crops(2, metered)), metered.session.run(crops(2, metered))

    assert mine.keys() == its.keys()
    assert all(np.array_equal(mine[name], its[name]) for name in its)
    assert metered.card == metered.session.card
    assert metered.provider == "CPUExecutionProvider"


def test_runs_that_fail_and_warming_up_are_not_told(metered, seen):
    metered.warm_up()
    with pytest.raises(ValueError, match="broken"):
        Metered(Broken(), metered.observe).run(crops(1, metered))

    assert seen == []


class Broken:
    def run(self, _image):
        raise ValueError("broken")
