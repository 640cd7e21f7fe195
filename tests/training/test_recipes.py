import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import onnxruntime as ort
import pytest
import tensorflow as tf

from service.inference.card import InputSize
from training.codecs import centernet
from training.config import TrainConfig
from training.learning.learner import make_learner
from training.networks.build import build_network, with_decoder
from training.networks.config import BackboneConfig, DeconvNeck, Fcn8sHead, SimccHead
from training.onnx_graph import to_onnx
from training.parity import compare, synthetic_pictures
from training.recipes import recipe, recipes
from training.skeletons import COCO

BATCH, SIDE = 4, 64
# Deeper ResNets differ from resnet50-deconv by the backbone's name alone, as a test below says.
TRAINED = [name for name in recipes() if not re.search("^resnet1|-debug$", name)]
# The converter to ONNX holds many copies of the weights, gigabytes with these: their recipes' parts
# are exported on a small one.
_HEAVY = {
    "resnet50": BackboneConfig(alpha=0.35),
    "vgg16": BackboneConfig(alpha=0.35, taps=(32, 16, 8)),
}


def _small(name: str) -> TrainConfig:
    """A recipe with its kinds of parts, on a small input and as narrow as its parts allow."""
    config = recipe(name)
    changes: dict[str, Any] = {
        "input": InputSize(height=SIDE, width=SIDE),
        "backbone_weights": "none",
        "batch_size": BATCH,
        "epoch_samples": 8 * BATCH,
    }
    if config.backbone.name.startswith("mobilenet"):
        changes["backbone"] = config.backbone.model_copy(update={"alpha": 0.35})
    match config.head:
        case Fcn8sHead():
            changes["head"] = Fcn8sHead(channels=16)
        case SimccHead():
            changes["head"] = SimccHead(hidden=16, key_size=8)
        case _:
            pass
    if isinstance(config.neck, DeconvNeck):
        changes["neck"] = DeconvNeck(channels=(8,) * len(config.neck.channels))
    return config.model_copy(update=changes)


def _targets(config: TrainConfig) -> np.ndarray:
    rng = np.random.default_rng(0)
    if config.task == "keypoints":
        places = rng.uniform(0, SIDE, (BATCH, 17, 2))
        return np.dstack([places, rng.integers(0, 2, (BATCH, 17))]).astype(np.float32)
    boxes = np.array([[8.0, 8, 40, 60]])
    nobody = np.zeros((0, 4))
    return np.stack([centernet.encode(boxes, nobody, config.codec, config.input)] * BATCH)


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Two steps are not worth tracing a graph for."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_learns_and_answers_the_same_as_onnx(name: str) -> None:
    config = _small(name)
    learner = make_learner(config, COCO if config.task == "keypoints" else None)
    before = [np.asarray(weight).copy() for weight in learner.network.trainable_weights]
    pictures = synthetic_pictures(config.input.size, BATCH)
    losses = [float(learner.learn(pictures, _targets(config))) for _ in range(2)]
    learner.synchronise()
    assert np.isfinite(losses).all()
    moved = [
        (np.asarray(weight) != old).any()
        for weight, old in zip(learner.network.trainable_weights, before, strict=True)
    ]
    # A ReLU that nothing reaches in this small net may keep a weight from moving.
    assert np.mean(moved) > 0.9
    network = learner.network
    if config.backbone.name in _HEAVY:
        config = config.model_copy(update={"backbone": _HEAVY[config.backbone.name]})
        network = build_network(config, COCO)
    tf.config.run_functions_eagerly(False)
    _check_export(with_decoder(network, config), pictures)
    keras.backend.clear_session()


def _check_export(decoded: keras.Model, pictures: np.ndarray) -> None:
    model = to_onnx(decoded)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    exported = dict(zip(names, session.run(None, {"image": pictures}), strict=True))
    expected = {k: np.asarray(v) for k, v in decoded.predict_on_batch(pictures).items()}
    difference = compare(expected, exported)
    assert difference.acceptable, difference


@pytest.mark.parametrize("depth", [101, 152])
def test_deeper_resnets_differ_by_their_backbones_name_alone(depth: int) -> None:
    shallow = recipe("resnet50-deconv").model_dump()
    deep = recipe(f"resnet{depth}-deconv").model_dump()
    assert deep["backbone"].pop("name") == f"resnet{depth}"
    shallow["backbone"].pop("name")
    for config in (shallow, deep):
        del config["recipe"], config["model_name"]
    assert deep == shallow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        # Xiao, Wu and Wei 2018, table 2.
        ("resnet50-deconv", 34.0),
        ("resnet101-deconv", 53.0),
        ("resnet152-deconv", 68.6),
        # Long, Shelhamer and Darrell 2015, table 1, FCN-VGG16.
        ("fcn8s-vgg16", 134),
    ],
)
def test_networks_are_as_large_as_in_the_papers(name: str, millions: float) -> None:
    config = recipe(name).model_copy(update={"backbone_weights": "none"})
    count = build_network(config, COCO).count_params()
    keras.backend.clear_session()
    assert count / 1e6 == pytest.approx(millions, rel=0.005)


def test_every_recipe_says_where_it_comes_from_and_how_it_is_run() -> None:
    for name, function in recipes().items():
        text = function.__doc__ or ""
        assert f"--recipe {name} " in text, name
        if not name.endswith("-debug"):
            assert "Cost:" in text, name
            assert "Source:" in text, name
            assert "AP" in text or "ot yet trained here" in text, name
        assert function().recipe == name


def test_every_bundle_has_a_name_of_its_own() -> None:
    names = [function().model_name for function in recipes().values()]
    assert len(set(names)) == len(names)
