import pytest

from service.inference.tracking.motion import BoxMotion
from service.inference.types import Box


def walked(seconds=1.0, rate=25, speed=50.0, growth=0.0):
    motion = BoxMotion(Box.from_xywh(0, 0, 40, 100), 0.0)
    for at in range(1, round(seconds * rate) + 1):
        time_s = at / rate
        motion.see(
            Box.from_xywh(speed * time_s, 0, 40 + growth * time_s, 100 + growth * time_s), time_s
        )
    return motion


def test_box_that_was_seen_once_is_expected_where_it_was():
    box = BoxMotion(Box.from_xywh(3, 4, 40, 100), 0.0).at(1.0)

    assert (box.x0, box.y0, box.width, box.height) == (3, 4, 40, 100)


@pytest.mark.parametrize("rate", [10, 25, 60])
def test_motion_goes_on_at_any_rate_of_frames(rate):
    box = walked(rate=rate).at(1.5)

    assert box.x0 == pytest.approx(75, abs=3)
    assert box.width == pytest.approx(40, abs=0.5)


def test_asking_changes_nothing():
    motion = walked()

    assert motion.at(9.0) != motion.at(1.1)
    assert motion.at(1.1) == motion.at(1.1)


def test_growth_goes_on_unless_it_is_stopped():
    motion = walked(growth=20.0)
    assert motion.at(2.0).height == pytest.approx(140, abs=4)

    motion.stop_growing()
    assert motion.at(2.0).height == pytest.approx(120, abs=3)
    assert (motion.at(2.0).x0 + motion.at(2.0).x1) / 2 > 110


def test_trembling_box_is_not_taken_for_motion():
    motion = BoxMotion(Box.from_xywh(0, 0, 40, 100), 0.0)
    for at in range(1, 50):
        motion.see(Box.from_xywh(3 * (-1) ** at, 0, 40, 100), at / 25)

    # Half a second later: taken at its word, the last step would have led 75 pixels away.
    assert motion.at(2.5).x0 == pytest.approx(0, abs=10)


def test_box_never_turns_inside_out():
    motion = BoxMotion(Box.from_xywh(0, 0, 40, 100), 0.0)
    motion.see(Box.from_xywh(0, 0, 4, 10), 0.1)

    assert motion.at(60.0).width >= 1
    assert motion.at(60.0).height >= 1
