"""What the shipped networks do not have: biases before normalisations, normalisations alone."""

import keras
import numpy as np
import pytest
from keras import layers

from service.inference.errors import InvalidData
from training.graph_weights import load_graph
from training.networks.build import with_decoder
from training.onnx_graph import to_onnx
from training.recipes import recipe

CONFIG = recipe("mobilenetv2-heatmap-debug")


def network(*body: layers.Layer) -> keras.Model:
    image = keras.Input((64, 64, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for layer in body:
        x = layer(x)
    return keras.Model(image, layers.Conv2D(17, 1, dtype="float32", name="logits")(x))


def wild() -> keras.Model:
    return network(
        layers.Conv2D(6, 3, strides=2, padding="same", name="with_bias"),
        layers.BatchNormalization(name="folded"),
        layers.ReLU(),
        layers.BatchNormalization(name="alone"),
        layers.ReLU(),
        layers.Conv2DTranspose(5, 4, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(name="after_transposed"),
        layers.ReLU(),
        layers.DepthwiseConv2D(3, strides=4, padding="same", depth_multiplier=2),
        layers.BatchNormalization(name="after_depthwise"),
        layers.ReLU(),
    )


def test_every_kind_of_normalisation_comes_back() -> None:
    rng = np.random.default_rng(0)
    source, copy = wild(), wild()
    for weight in source.weights:
        draw = rng.uniform(0.5, 1.5, weight.shape)
        weight.assign(draw if "moving_variance" in weight.path else draw - 0.75)
    graph = to_onnx(with_decoder(source, CONFIG)).graph
    load_graph(copy, CONFIG, graph)
    pictures = rng.integers(0, 256, (3, 64, 64, 3), np.uint8)
    np.testing.assert_allclose(np.asarray(copy(pictures)), np.asarray(source(pictures)), atol=1e-4)
    assert np.ptp(np.asarray(copy.get_layer("alone").gamma)) > 0


def test_a_normalisation_that_cannot_be_told_from_its_graph_is_refused() -> None:
    plain = network(layers.Conv2D(4, 4, strides=4), layers.BatchNormalization(scale=False))
    graph = to_onnx(with_decoder(plain, CONFIG)).graph
    with pytest.raises(InvalidData, match="no scale or no shift"):
        load_graph(plain, CONFIG, graph)


def test_a_graph_of_another_width_is_refused() -> None:
    narrow, wide = (network(layers.Conv2D(width, 4, strides=4)) for width in (4, 5))
    graph = to_onnx(with_decoder(narrow, CONFIG)).graph
    with pytest.raises(InvalidData, match="another version of the code"):
        load_graph(wide, CONFIG, graph)
