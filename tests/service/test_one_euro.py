import numpy as np
import pytest

from service.inference.tracking.one_euro import OneEuroFilter

SIZE = 100.0


def run(points, times, **options):
    one = OneEuroFilter(**options)
    return np.array(
        [
            one.smooth(np.array([[x, 0.0]]), time, SIZE)[0, 0]
            for x, time in zip(points, times, strict=True)
        ]
    )


def tremble(values) -> float:
    return float(np.abs(np.diff(values, 2)).mean())


def test_first_points_stay_as_they_are():
    points = np.array([[1.0, 2.0], [3.0, 4.0]])

    assert OneEuroFilter().smooth(points, 5.0, SIZE).tolist() == points.tolist()


def test_point_at_rest_trembles_far_less():
    noise = np.random.default_rng(1).normal(0, 2, 200)

    smooth = run(50 + noise, np.arange(200) / 25)

    assert tremble(smooth) < tremble(noise) / 4
    assert abs(smooth[50:].mean() - 50) < 0.5


def test_fast_step_is_followed_soon_and_slowly_without_beta():
    step = [0.0] * 10 + [200.0] * 15
    times = np.arange(25) / 25

    assert run(step, times)[14] > 180
    assert run(step, times, beta=0.0)[14] < 160


def test_steady_motion_lags_little():
    times = np.arange(100) / 25
    # Three sizes of the person in a second.
    lag = 300 * times - run(300 * times, times)

    assert 0 <= lag[-1] < 12


def test_seconds_count_and_not_frames():
    """The same motion seen at half the rate ends at nearly the same place."""
    times = np.arange(101) / 50
    path = np.minimum(times, 1.0) * 20

    often, seldom = run(path, times), run(path[::2], times[::2])

    assert seldom[-1] == pytest.approx(often[-1], abs=0.4)
    # Counted in frames, half of them would have come half as far.
    assert abs(seldom[-1] - often[-1]) < abs(often[50] - often[25]) / 4


def test_size_of_a_person_scales_what_is_fast():
    times = np.arange(30) / 25
    near = run(200 * times, times)
    one = OneEuroFilter()
    far = [
        one.smooth(np.array([[x / 10, 0.0]]), at, SIZE / 10)[0, 0]
        for x, at in zip(200 * times, times, strict=True)
    ]

    assert np.array(far) * 10 == pytest.approx(near)


def test_points_are_smoothed_each_by_itself():
    one, alone = OneEuroFilter(), OneEuroFilter()
    for at in range(10):
        still, moving = np.array([5.0, 5.0]), np.array([at * 40.0, 0.0])
        both = one.smooth(np.stack([still, moving]), at / 25, SIZE)
        single = alone.smooth(moving[None], at / 25, SIZE)

    assert both[0].tolist() == [5.0, 5.0]
    assert both[1].tolist() == single[0].tolist()


def test_frame_of_the_same_moment_changes_nothing():
    one = OneEuroFilter()
    one.smooth(np.zeros((1, 2)), 1.0, SIZE)

    assert one.smooth(np.full((1, 2), 9.0), 1.0, SIZE).tolist() == [[0.0, 0.0]]
