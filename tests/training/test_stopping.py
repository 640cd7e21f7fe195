import os
import signal

import pytest

from training.stopping import StopRequest


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_the_first_signal_is_noted_and_the_next_ends_the_process(
    number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest() as stop:
        assert not stop.wanted
        os.kill(os.getpid(), number)
        assert stop.wanted
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert stop.stopped(7).exit_code == code
        assert str(stop.stopped(7)) == f"stopped by {number.name}, saved after step 7"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert "again to end at once" in capfd.readouterr().err


def test_time_that_is_up_ends_well() -> None:
    assert not StopRequest(60).wanted
    late = StopRequest(1e-9)
    assert late.wanted
    assert late.stopped(3).exit_code == 0


def test_a_wish_of_another_host_ends_well() -> None:
    stopped = StopRequest().stopped(3)
    assert (stopped.exit_code, str(stopped)) == (
        0,
        "stopped together with another host, saved after step 3",
    )
