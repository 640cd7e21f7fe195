import numpy as np

from service.inference.tracking.one_euro import OneEuroFilter
from service.inference.tracking.smoothing import JointSmoother

SIZE, K = 100.0, 17
RATE = 25
PLACES = np.random.default_rng(2).uniform(0, 80, (K, 2))


def run(smoother, frames):
    return np.array([smoother.smooth(points, at / RATE, SIZE) for at, points in enumerate(frames)])


def walking(frames=100, speed=150.0, noise=0.0):
    rng = np.random.default_rng(4)
    steps = speed * np.arange(frames) / RATE
    true = PLACES + np.stack([steps, np.zeros(frames)], axis=-1)[:, None]
    return true, true + rng.normal(0, noise, true.shape)


def tremble(found, true) -> float:
    return float(np.linalg.norm(np.diff(found - true, 2, axis=0), axis=-1).mean())


def test_steady_walk_does_not_lag_as_a_plain_filter_does():
    true, seen = walking()

    found, plain = run(JointSmoother(), seen), run(OneEuroFilter(), seen)

    assert np.abs(found - true)[-1].max() < 0.5
    assert np.abs(plain - true)[-1].max() > 1


def test_joints_of_somebody_who_walks_tremble_less():
    true, seen = walking(noise=2.0)

    found = run(JointSmoother(), seen)

    assert tremble(found, true) < tremble(seen, true) / 2
    error = np.linalg.norm(found - true, axis=-1)[20:].mean()
    assert error < np.linalg.norm(seen - true, axis=-1)[20:].mean()


def test_joint_that_jumps_does_not_drag_the_others_along():
    true, seen = walking(speed=0.0)
    seen = seen.copy()
    seen[50:60, 3] += 60

    found = run(JointSmoother(), seen)

    others = np.arange(K) != 3
    assert np.abs(found - true)[:, others].max() < 1e-6
    assert found[59, 3, 0] > true[59, 3, 0] + 30


def test_limb_that_swings_by_itself_is_followed():
    times = np.arange(100) / RATE
    true, _ = walking(speed=0.0)
    swing = 30 * np.sin(2 * np.pi * times)
    true = true.copy()
    true[:, 9, 0] += swing

    found = run(JointSmoother(), true)

    assert np.abs(found - true)[25:, 9, 0].max() < 8


def test_first_joints_stay_as_they_are_and_so_does_the_same_moment():
    smoother = JointSmoother()

    assert smoother.smooth(PLACES, 1.0, SIZE).tolist() == PLACES.tolist()
    assert np.allclose(smoother.smooth(PLACES + 9, 1.0, SIZE), PLACES)
