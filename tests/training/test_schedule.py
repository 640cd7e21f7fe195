import pytest

from training.schedule import FlatCosine


@pytest.fixture
def schedule() -> FlatCosine:
    return FlatCosine(peak=1.0, steps=100, warmup=10, flat=50, final=0.1)


def test_it_warms_up_stays_flat_and_falls_to_the_final_fraction(schedule: FlatCosine) -> None:
    assert float(schedule(0)) == pytest.approx(0.1)
    assert float(schedule(4)) == pytest.approx(0.5)
    assert [float(schedule(step)) for step in (9, 30, 50)] == pytest.approx([1, 1, 1])
    assert float(schedule(75)) == pytest.approx(0.55)
    assert float(schedule(100)) == pytest.approx(0.1)


def test_it_stays_at_the_final_rate_after_the_end(schedule: FlatCosine) -> None:
    assert float(schedule(1000)) == pytest.approx(0.1)


def test_it_can_be_rebuilt_from_its_configuration(schedule: FlatCosine) -> None:
    copy = FlatCosine.from_config(schedule.get_config())
    assert [float(copy(s)) for s in (0, 40, 80)] == [float(schedule(s)) for s in (0, 40, 80)]
