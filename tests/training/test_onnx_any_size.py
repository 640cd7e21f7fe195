import re

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from pydantic import ValidationError

from service.inference.card import InputSize
from service.inference.types import Size
from training.complexity import complexity
from training.config import TrainConfig
from training.half import to_half
from training.networks.build import build_network, with_decoder
from training.onnx_any_size import network_to_onnx
from training.parity import compare, synthetic_pictures
from training.quantise import quantise
from training.recipes import recipe
from training.run import at_all_sizes

SIZES = ((96, 96), (64, 128), (128, 64))


def changed(config: TrainConfig, **fields: object) -> TrainConfig:
    return TrainConfig.model_validate(config.model_dump() | fields)


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return recipe("person-detector-debug")


@pytest.fixture(scope="module")
def network(config: TrainConfig) -> keras.Model:
    """With random weights, but cells that answer differently."""
    keras.utils.set_random_seed(3)
    network = build_network(config, None)
    rng = np.random.default_rng(0)
    for variable in network.weights:
        if variable.name in ("gamma", "beta", "moving_mean"):
            variable.assign(variable + rng.normal(0, 0.3, variable.shape))
    head = keras.Model(network.input, network.get_layer("head").output)
    cells = np.asarray(head(synthetic_pictures(Size(96, 96), 4))).reshape(-1, 16)
    readout = rng.normal(0, 0.3, (16, 5)) / (cells.std(axis=0) + 1e-6)[:, np.newaxis]
    network.get_layer("logits").set_weights(
        [readout[None, None], -cells.mean(axis=0) @ readout - 3]
    )
    return network


@pytest.fixture(scope="module")
def model(network: keras.Model, config: TrainConfig) -> onnx.ModelProto:
    return network_to_onnx(network, config)


def run(model: onnx.ModelProto, pictures: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": pictures}), strict=True))


def test_detector_has_oblong_inputs_of_no_more_pixels(config: TrainConfig) -> None:
    assert [(size.height, size.width) for size in (config.input, *config.other_inputs)] == [*SIZES]
    for side, short, long in ((224, 192, 256), (288, 256, 320), (320, 288, 352), (416, 352, 480)):
        larger = changed(config, input={"height": side, "width": side})
        assert larger.other_inputs == (
            InputSize(height=short, width=long),
            InputSize(height=long, width=short),
        )
        assert short * long <= side * side


def test_input_that_is_oblong_by_itself_stays_alone(config: TrainConfig) -> None:
    assert changed(config, input={"height": 96, "width": 128}).other_inputs == ()
    assert changed(config, oblong_inputs=False).other_inputs == ()


def test_oblong_inputs_are_for_detectors() -> None:
    with pytest.raises(ValidationError, match="codec heatmap for joints"):
        changed(recipe("mobilenetv2-heatmap-debug"), oblong_inputs=True)


def test_oblong_inputs_must_have_room_for_all_slots(config: TrainConfig) -> None:
    with pytest.raises(ValidationError, match=r"slots 60 are more than the 48 cells .* 32x96"):
        changed(config, input={"height": 64, "width": 64})


@pytest.mark.parametrize("size", SIZES)
def test_one_file_answers_at_each_size_as_keras_does(
    network: keras.Model, model: onnx.ModelProto, config: TrainConfig, size: tuple[int, int]
) -> None:
    pictures = synthetic_pictures(Size(*size), 3)
    by_size = {one.input.shape[1:3]: one for one in at_all_sizes(network, config, None)}
    expected = with_decoder(by_size[size], config).predict_on_batch(pictures)

    answer = run(model, pictures)

    assert compare(expected, answer).acceptable
    assert answer["boxes"].shape == (3, 60, 4)
    # They reach the edges of this size, and not beyond.
    edges = (size[1], size[0])
    assert np.allclose(answer["boxes"][..., 2:].max(axis=(0, 1)), edges)
    assert np.ptp(answer["scores"][answer["scores"] > 0]) > 0.02


def test_open_sides_have_names(model: onnx.ModelProto) -> None:
    [image] = model.graph.input
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == [
        *("N", "H", "W", 3)
    ]
    names = [node.name for node in model.graph.node if node.name not in ("boxes", "scores")]
    assert all(re.fullmatch(r"[A-Za-z]+_\d+", name) for name in names)


def test_same_network_gives_the_same_bytes(
    network: keras.Model, model: onnx.ModelProto, config: TrainConfig
) -> None:
    again = network_to_onnx(network, config)
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(
        deterministic=True
    )


def test_network_of_one_size_has_fixed_sides(network: keras.Model, config: TrainConfig) -> None:
    [image] = network_to_onnx(network, changed(config, oblong_inputs=False)).graph.input
    assert [dim.dim_value for dim in image.type.tensor_type.shape.dim][1:] == [96, 96, 3]


def test_work_is_counted_for_a_size(model: onnx.ModelProto) -> None:
    square, oblong = (complexity(model, Size(*size)) for size in SIZES[:2])
    assert square.parameters == oblong.parameters
    assert oblong.macs / square.macs == pytest.approx(64 * 128 / 96**2)


@pytest.mark.parametrize("size", SIZES)
def test_lower_precision_keeps_all_sizes(model: onnx.ModelProto, size: tuple[int, int]) -> None:
    seen = [picture for one in SIZES for picture in synthetic_pictures(Size(*one), 2)]
    pictures = synthetic_pictures(Size(*size), 2)
    expected = run(model, pictures)["scores"]

    for smaller in (to_half(model), quantise(model, seen, float_layers=2)):
        answer = run(smaller, pictures)
        assert answer["boxes"].shape == (2, 60, 4)
        assert np.abs(answer["scores"] - expected).mean() < 0.05
