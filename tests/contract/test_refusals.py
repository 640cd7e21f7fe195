"""Bundles that are not as training wrote them are refused, and the message says why."""

import json
import shutil

import onnx
import pytest

from service.inference.card import METADATA_KEY
from service.inference.errors import InvalidBundle
from service.inference.execution import Execution
from service.inference.repository import load_bundle
from service.inference.session import open_session


@pytest.fixture
def refused(pose, tmp_path):
    """Changes a copy of the keypoint network and returns why it is refused."""

    def change_and_open(change):
        model = onnx.load(pose.path)
        change(model)
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        with pytest.raises(InvalidBundle) as refusal:
            open_session(path, Execution(device="cpu"))
        return str(refusal.value)

    return change_and_open


def with_card(**fields):
    """A change of the card's fields."""

    def change(model):
        card = json.loads(model.metadata_props[0].value)
        onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(card | fields)})

    return change


def with_another_joint(model):
    skeleton = json.loads(model.metadata_props[0].value)["skeleton"]
    skeleton["names"].append("tail")
    skeleton["sigmas"].append(0.1)
    with_card(skeleton=skeleton)(model)


def with_float_input(model):
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def with_fixed_batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def without_card(model):
    del model.metadata_props[:]


def with_card_that_is_no_json(model):
    onnx.helper.set_model_props(model, {METADATA_KEY: "{"})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(without_card, METADATA_KEY, id="no card"),
        pytest.param(with_card_that_is_no_json, "JSON", id="card that is no JSON"),
        pytest.param(with_card(crop_padding=None), "crop_padding", id="field missing"),
        pytest.param(with_card(crop_padding=0.5), "crop_padding", id="value out of range"),
        pytest.param(with_card(colour="blue"), "colour", id="unknown field"),
        pytest.param(with_card(schema_version=2), "schema_version", id="other schema"),
        pytest.param(with_card(input={"height": 32, "width": 64}), "image", id="other size"),
        pytest.param(with_another_joint, "keypoints", id="other number of joints"),
        pytest.param(with_float_input, "image", id="other type"),
        pytest.param(with_fixed_batch, "image", id="fixed batch"),
    ],
)
def test_changed_file_is_refused_by_the_name_of_what_is_wrong(refused, change, named):
    assert named in refused(change)


def test_file_that_is_not_the_one_of_card_json_is_refused(pose, tmp_path):
    name = pose.path.parent.parent.name
    folder = tmp_path / name / "1"
    shutil.copytree(pose.path.parent, folder)
    model = onnx.load(folder / "model.onnx")
    model.doc_string = "another file, the same card"
    onnx.save(model, folder / "model.onnx")

    with pytest.raises(InvalidBundle, match="SHA-256"):
        load_bundle(tmp_path, f"{name}/1", Execution(device="cpu"))
