import keras
import numpy as np
import pytest

from training.networks.config import Fcn8sHead
from training.networks.fcn8s import bilinear, fcn8s_head

CLASSES = 3


@pytest.fixture(scope="module")
def head() -> keras.Model:
    """FCN-8s on maps of strides 32, 16 and 8 of a 64x96 picture."""
    keras.utils.set_random_seed(0)
    taps = [keras.Input((64 // s, 96 // s, 4)) for s in (32, 16, 8)]
    return keras.Model(taps, fcn8s_head(taps, CLASSES, Fcn8sHead(channels=8)))


def _maps(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(size=(1, 64 // s, 96 // s, 4)).astype(np.float32) for s in (32, 16, 8)]


def test_it_answers_every_pixel_of_the_input(head: keras.Model) -> None:
    assert head.output.shape == (None, 64, 96, CLASSES)


def test_training_begins_with_the_coarse_answer(head: keras.Model) -> None:
    rng = np.random.default_rng(0)
    deep, middle, fine = _maps(rng)
    _, other_middle, other_fine = _maps(rng)
    before = np.asarray(head([deep, middle, fine]))
    np.testing.assert_array_equal(before, np.asarray(head([deep, other_middle, other_fine])))
    scores = keras.Model(head.inputs, head.get_layer("score7").output)([deep, middle, fine])
    cells = before.reshape(1, 2, 32, 3, 32, CLASSES).mean(axis=(2, 4))
    assert np.corrcoef(cells.ravel(), np.asarray(scores).ravel())[0, 1] > 0.9


def test_the_finer_taps_can_learn(head: keras.Model) -> None:
    maps = _maps(np.random.default_rng(1))
    before = np.asarray(head(maps))
    layer = head.get_layer("score3")
    start = layer.get_weights()
    layer.set_weights([np.ones_like(weight) for weight in start])
    after = np.asarray(head(maps))
    layer.set_weights(start)
    assert np.abs(after - before).max() > 0.1


@pytest.mark.parametrize("factor", [2, 8])
def test_the_first_kernels_interpolate(factor: int) -> None:
    layer = keras.layers.Conv2DTranspose(
        2, 2 * factor, strides=factor, padding="same", use_bias=False, kernel_initializer=bilinear
    )
    small = np.random.default_rng(0).normal(size=(1, 5, 6, 2)).astype(np.float32)
    expected = keras.layers.UpSampling2D(factor, interpolation="bilinear")(small)
    inner = slice(factor, -factor)
    np.testing.assert_allclose(
        np.asarray(layer(small))[:, inner, inner], np.asarray(expected)[:, inner, inner], atol=1e-5
    )
