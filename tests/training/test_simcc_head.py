import keras
import numpy as np
import pytest

from training.networks.config import SimccHead
from training.networks.simcc_head import GatedAttention, ScaleNorm, simcc_head

JOINTS, BINS = 5, (24, 32)


@pytest.fixture(scope="module")
def head() -> keras.Model:
    keras.utils.set_random_seed(0)
    features = keras.Input((4, 3, 8))
    return keras.Model(features, simcc_head(features, SimccHead(hidden=16), JOINTS, BINS))


def test_it_answers_bins_of_x_and_then_of_y_for_each_joint(head: keras.Model) -> None:
    assert head.output.shape == (None, JOINTS, sum(BINS))
    last = head.get_layer("classes_y")
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    logits = np.asarray(head(np.ones((1, 4, 3, 8), np.float32)))
    assert (logits[..., BINS[0] :] == 0).all()
    assert (logits[..., : BINS[0]] != 0).any()


def test_rtmpose_has_as_many_weights() -> None:
    features = keras.Input((8, 6, 768))
    network = keras.Model(features, simcc_head(features, SimccHead(), 17, (384, 512)))
    convolution = 49 * 768 * 17 + 17
    attention = 1 + 256 * (2 * 512 + 128) + 512 * 256 + 2 * 2 * 128 + 256
    assert network.count_params() == convolution + 1 + 48 * 256 + attention + 256 * (384 + 512)


def test_scale_norm_leaves_the_direction_and_a_mean_square_of_one() -> None:
    x = np.random.default_rng(0).normal(3, 5, (2, 4, 16)).astype(np.float32)
    y = np.asarray(ScaleNorm()(x))
    np.testing.assert_allclose(np.square(y).mean(axis=-1), 1, rtol=1e-4)
    np.testing.assert_allclose(y / y[..., :1], x / x[..., :1], rtol=1e-4)


def test_scale_norm_of_nothing_is_nothing() -> None:
    assert (np.asarray(ScaleNorm()(np.zeros((1, 2, 4), np.float32))) == 0).all()


def test_gated_attention_computes_what_the_paper_says() -> None:
    rng = np.random.default_rng(0)
    layer = GatedAttention(expansion=2, key_size=6, name="attention")
    x = rng.normal(size=(2, JOINTS, 4)).astype(np.float32)
    answer = np.asarray(layer(x))

    normed = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True))
    mixed = normed @ np.asarray(layer.project.kernel)
    mixed = mixed / (1 + np.exp(-mixed))
    gate, value, base = mixed[..., :8], mixed[..., 8:16], mixed[..., 16:]
    gamma, beta = np.asarray(layer.gamma), np.asarray(layer.beta)
    query, key = base * gamma[0] + beta[0], base * gamma[1] + beta[1]
    kernel = np.square(np.maximum(query @ key.transpose(0, 2, 1) / np.sqrt(6), 0))
    expected = x + (gate * (kernel @ value)) @ np.asarray(layer.output_projection.kernel)
    np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-4)


def test_the_order_of_joints_means_nothing_to_attention() -> None:
    layer = GatedAttention(expansion=2, key_size=6, name="attention")
    x = np.random.default_rng(0).normal(size=(1, JOINTS, 4)).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(layer(x[:, ::-1])), np.asarray(layer(x))[:, ::-1], rtol=1e-4, atol=1e-5
    )
