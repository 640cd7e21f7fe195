import pytest

from service.inference.errors import Overloaded
from service.runtime.admission import Admission


def test_as_many_are_admitted_as_work_and_wait():
    admission = Admission(workers=1, max_waiting=1)

    with admission.admit(), admission.admit():
        assert admission.inside == 2
        with pytest.raises(Overloaded, match=r"2 requests .* fewer than 2"), admission.admit():
            pass


def test_place_is_free_again_after_the_block():
    admission = Admission(workers=1, max_waiting=0)

    with admission.admit():
        pass
    with admission.admit():
        assert admission.inside == 1


def test_place_is_free_again_after_an_error():
    admission = Admission(workers=1, max_waiting=0)

    with pytest.raises(ZeroDivisionError), admission.admit():
        raise ZeroDivisionError

    assert admission.inside == 0


def test_slow_work_lengthens_the_advised_wait():
    admission = Admission(workers=2, max_waiting=0)
    for _ in range(100):
        admission.record(10.0)

    with (
        admission.admit(),
        admission.admit(),
        pytest.raises(Overloaded) as caught,
        admission.admit(),
    ):
        pass

    # Two inside, ten seconds each, two at a time.
    assert caught.value.retry_after_s == 10


def test_advised_wait_is_at_least_a_second():
    assert Admission(workers=4, max_waiting=0).retry_after_s() == 1


def test_advised_wait_is_at_most_a_minute():
    admission = Admission(workers=1, max_waiting=9)
    for _ in range(100):
        admission.record(1e6)

    with admission.admit():
        assert admission.retry_after_s() == 60
