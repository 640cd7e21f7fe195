"""From arrays to the body of an answer."""

import json

import numpy as np
import pytest

from service.inference.types import Box, Keypoint, Person, Size
from service.oip.answer import answer_body
from service.oip.models import PipelineModel
from service.oip.outputs import people_of, run_network


class Named:
    """A pipeline that has nothing but its name."""

    name = "default"


MODEL = PipelineModel(Named())
OUTPUTS = {
    "scores": np.array([[0.5, 0.25]], np.float32),
    "counts": np.array([2], np.int32),
    "predictions": np.array([b'{"a":1}'], np.object_),
}


def split(wanted):
    body = answer_body(MODEL, "7", OUTPUTS, wanted)
    return json.loads(body.data[: body.json_bytes]), body


def test_json_outputs_are_lists_in_the_wanted_order():
    document, body = split({"counts": False, "scores": False, "predictions": False})

    assert body.json_bytes is None
    assert document == {
        "model_name": "default",
        "id": "7",
        "outputs": [
            {"name": "counts", "datatype": "INT32", "shape": [1], "data": [2]},
            {"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 0.25]},
            {"name": "predictions", "datatype": "BYTES", "shape": [1], "data": ['{"a":1}']},
        ],
    }


def test_binary_outputs_follow_the_json_in_its_order():
    document, body = split({"predictions": True, "scores": False, "counts": True})

    sizes = [output.get("parameters") for output in document["outputs"]]
    assert sizes == [{"binary_data_size": 11}, None, {"binary_data_size": 4}]
    behind = body.data[body.json_bytes :]
    assert behind == b'\x07\x00\x00\x00{"a":1}' + b"\x02\x00\x00\x00"


def test_numbers_that_json_has_not_are_null():
    outputs = {"scores": np.array([[np.nan, np.inf, 1]], np.float32)}

    body = answer_body(MODEL, None, outputs, {"scores": False})

    (output,) = json.loads(body.data)["outputs"]
    assert output["data"] == [None, None, 1.0]


def person(score: float, joints: int = 2) -> Person:
    points = tuple(Keypoint(str(index), index, 2 * index, score) for index in range(joints))
    return Person(score, Box(1, 2, 3, 4), points)


def test_people_are_padded_to_the_fullest_picture():
    people = people_of([(Size(10, 20), []), (Size(30, 40), [person(0.75), person(0.5)])], joints=2)

    assert people["counts"].tolist() == [0, 2]
    assert people["sizes"].tolist() == [[10, 20], [30, 40]]
    assert people["scores"].tolist() == [[0, 0], [0.75, 0.5]]
    assert people["boxes"][1].tolist() == [[1, 2, 3, 4]] * 2
    assert people["keypoints"].shape == (2, 2, 2, 3)
    assert people["keypoints"][1, 1].tolist() == [[0, 0, 0.5], [1, 2, 0.5]]
    assert not people["keypoints"][0].any()


class Mean:
    """A network that answers each picture's mean."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def run(self, image):
        self.runs.append(len(image))
        return {"mean": image.mean(axis=(1, 2, 3), dtype=np.float32)}


@pytest.mark.parametrize("rows", [1, 16, 40])
def test_many_rows_are_run_in_parts_and_answered_in_order(rows):
    session = Mean()
    pixels = np.repeat(np.arange(rows, dtype=np.uint8), 12).reshape(rows, 2, 2, 3)

    answer = run_network(session, pixels)

    assert answer["mean"].tolist() == list(range(rows))
    assert max(session.runs) <= 16
