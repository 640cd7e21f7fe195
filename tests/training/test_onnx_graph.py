import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops
from onnx.reference import ReferenceEvaluator

from service.inference.errors import InvalidBundle, InvalidInput
from training.onnx_graph import OPSET, to_onnx


def small_network() -> keras.Model:
    """A few kinds of nodes and two outputs; weights by seed."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 6, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.UpSampling2D(interpolation="bilinear")(layers.MaxPooling2D(2)(x))
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x))
    cells = ops.reshape(x, (-1, 48, 4))
    scores, index = ops.top_k(cells[..., 0], 5)
    boxes = ops.take_along_axis(cells, ops.expand_dims(index, -1), axis=1)
    outputs = {
        "scores": layers.Identity(name="scores")(scores),
        "boxes": layers.Identity(name="boxes")(boxes),
    }
    return keras.Model(image, outputs)


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return to_onnx(small_network())


def test_signature_has_the_names_of_the_network_and_an_open_batch(model: onnx.ModelProto) -> None:
    def described(value: onnx.ValueInfoProto) -> tuple[str, int, list[object]]:
        tensor = value.type.tensor_type
        return value.name, tensor.elem_type, [d.dim_param or d.dim_value for d in tensor.shape.dim]

    uint8, float32 = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
    assert [described(value) for value in model.graph.input] == [("image", uint8, ["N", 8, 6, 3])]
    assert [described(value) for value in model.graph.output] == [
        ("boxes", float32, ["N", 5, 4]),
        ("scores", float32, ["N", 5]),
    ]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]


def test_names_are_short_and_every_reference_is_kept(model: onnx.ModelProto) -> None:
    known = {"image", *(constant.name for constant in model.graph.initializer)}
    for node in model.graph.node:
        assert set(node.input) - {""} <= known, "a node reads what is made later or never"
        known |= set(node.output)
        is_output = node.name in ("boxes", "scores")
        assert is_output or node.name.rstrip("0123456789") == f"{node.op_type}_"
    assert {"boxes", "scores"} <= known
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)
    read = {name for node in model.graph.node for name in node.input}
    assert {constant.name for constant in model.graph.initializer} <= read


def test_same_network_gives_the_same_bytes(model: onnx.ModelProto) -> None:
    # Keras and the converter go on counting between the two.
    again = to_onnx(small_network())

    first, second = (one.SerializeToString(deterministic=True) for one in (model, again))
    assert first == second


def test_answers_are_those_of_keras(model: onnx.ModelProto) -> None:
    network = small_network()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), np.uint8)
    expected = network(pictures)

    boxes, scores = ReferenceEvaluator(model).run(None, {"image": pictures})

    np.testing.assert_allclose(boxes, expected["boxes"].numpy(), atol=1e-5)
    np.testing.assert_allclose(scores, expected["scores"].numpy(), atol=1e-5)


def test_operation_that_onnx_lacks_is_named() -> None:
    image = keras.Input((4, 4, 3), dtype="uint8", name="image")
    # Keras' argmax of floats looks at the bits of -0.0.
    best = layers.Identity(name="best")(ops.argmax(ops.cast(image, "float32"), axis=-1))
    network = keras.Model(image, {"best": best})

    with pytest.raises(InvalidBundle, match=r"cannot be written as ONNX: .*Bitcast"):
        to_onnx(network)


def test_optimisation_that_the_converter_gives_up_is_not_reported(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    image = keras.Input((4, 4, 3), dtype="uint8", name="image")
    x = layers.Conv2D(4, 1, use_bias=False)(ops.cast(image, "float32"))
    gate = layers.ReLU(6.0)(x + 3.0)
    gate = layers.Conv2D(2, 1)(gate)
    network = keras.Model(image, {"gate": layers.Identity(name="gate")(gate)})

    to_onnx(network)

    assert "Failed to apply" not in caplog.text + capfd.readouterr().err


def test_other_backend_than_tensorflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    with pytest.raises(InvalidInput, match="KERAS_BACKEND is jax"):
        to_onnx(small_network())
