import json
import re
import threading

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.inference.errors import DeviceUnavailable, InvalidBundle, InvalidInput
from service.inference.execution import Execution
from service.inference.session import open_session

H, W, K = 64, 48, 17


def open_on_cpu(path):
    return open_session(path, Execution(device="cpu"))


def crop_with_dot(x, y):
    crop = np.zeros((H, W, 3), np.uint8)
    crop[y, x] = 255
    return crop


def constant_model(bundles, card, outputs, **changes):
    """A model whose outputs are zeros of some shapes, for a declared signature."""
    constants = {f"{name}_value": np.zeros(shape, np.float32) for name, shape in outputs.items()}
    nodes = [helper.make_node("Identity", [f"{name}_value"], [name]) for name in outputs]
    declared = {name: [None, *shape[1:]] for name, shape in outputs.items()}
    return bundles.model(card.input, nodes, constants, declared, **changes)


@pytest.fixture
def keypoints_path(bundles, tmp_path):
    card = bundles.keypoints_card()
    return bundles.write(tmp_path, card, bundles.keypoints_model(card))


def test_network_runs_and_tells_its_card_and_provider(bundles, keypoints_path):
    session = open_on_cpu(keypoints_path)

    answer = session.run(np.stack([crop_with_dot(20, 10), crop_with_dot(30, 40)]))

    assert session.card == bundles.keypoints_card()
    assert session.provider == "CPUExecutionProvider"
    assert answer["keypoints"].dtype == np.float32
    assert answer["keypoints"].shape == (2, K, 3)
    assert answer["keypoints"][:, 0].tolist() == [[20.5, 10.5, 1.0], [30.5, 40.5, 1.0]]


def test_detector_answers_boxes_and_scores(bundles, tmp_path):
    card = bundles.detector_card()
    session = open_on_cpu(bundles.write(tmp_path, card, bundles.detector_model(card)))

    answer = session.run(np.full((3, 64, 64, 3), 255, np.uint8))

    assert answer["boxes"].shape == (3, 2, 4)
    np.testing.assert_allclose(answer["scores"], [[0.9, 0.6]] * 3)


def test_threads_that_share_a_session_get_their_own_answers(keypoints_path):
    session = open_on_cpu(keypoints_path)
    found = {}

    def run(x):
        rows = [session.run(crop_with_dot(x, 5)[None])["keypoints"][0, 0, 0] for _ in range(50)]
        found[x] = set(rows)

    threads = [threading.Thread(target=run, args=(x,)) for x in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {x: {x + 0.5} for x in range(4)}


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, W, H, 3), np.uint8),
        np.zeros((H, W, 3), np.uint8),
        np.zeros((1, H, W, 4), np.uint8),
        np.zeros((1, H, W, 3), np.float32),
        np.zeros((0, H, W, 3), np.uint8),
    ],
    ids=["turned", "no batch", "four channels", "floats", "no picture"],
)
def test_other_arrays_are_refused(keypoints_path, image):
    with pytest.raises(InvalidInput, match=r"expected uint8 \[N, 64, 48, 3\]"):
        open_on_cpu(keypoints_path).run(image)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidBundle, match=r"model\.onnx does not exist"):
        open_on_cpu(tmp_path / "model.onnx")


@pytest.mark.parametrize("content", [b"", b"junk", b"\x08\x09"], ids=["empty", "junk", "no graph"])
def test_corrupt_file_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(InvalidBundle, match="not a network that can be loaded"):
        open_on_cpu(path)


def test_truncated_file_is_refused(keypoints_path):
    keypoints_path.write_bytes(keypoints_path.read_bytes()[:-200])

    with pytest.raises(InvalidBundle):
        open_on_cpu(keypoints_path)


@pytest.mark.parametrize(
    ("embedded", "message"),
    [
        (None, "metadata has no card"),
        ("not json", "card is invalid: Invalid JSON"),
        ("{}", "card is invalid: name: Field required"),
    ],
)
def test_missing_or_broken_card_is_refused(bundles, tmp_path, embedded, message):
    card = bundles.keypoints_card()
    path = bundles.write_raw(tmp_path, card, embedded, bundles.keypoints_model(card))

    with pytest.raises(InvalidBundle, match=message):
        open_on_cpu(path)


def test_wrong_field_of_the_card_is_named(bundles, tmp_path):
    card = bundles.keypoints_card()
    fields = json.loads(card.model_dump_json()) | {"crop_padding": 9.0}
    path = bundles.write_raw(tmp_path, card, json.dumps(fields), bundles.keypoints_model(card))

    with pytest.raises(InvalidBundle, match=r"model\.onnx: card is invalid: crop_padding = 9\.0"):
        open_on_cpu(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_name": "picture"}, r"input is picture .*; expected image tensor\(uint8\)"),
        ({"input_type": TensorProto.FLOAT}, r"input is image tensor\(float\)"),
        ({"input_shape": ["N", W, H, 3]}, r"\['N', 48, 64, 3\]; expected .*\['N', 64, 48, 3\]"),
        ({"input_shape": ["N", 3, H, W]}, r"\['N', 3, 64, 48\]"),
        ({"input_shape": ["N", "H", "W", 3]}, r"\['N', 'H', 'W', 3\]"),
        ({"input_shape": [1, H, W, 3]}, r"input is image tensor\(uint8\) \[1, 64, 48, 3\]"),
        ({"input_shape": ["N", H, W]}, r"\['N', 64, 48\]"),
    ],
    ids=["name", "type", "turned", "channels first", "open sides", "fixed batch", "rank"],
)
def test_wrong_input_is_refused(bundles, tmp_path, changes, message):
    card = bundles.keypoints_card()
    model = constant_model(bundles, card, {"keypoints": (1, K, 3)}, **changes)

    with pytest.raises(InvalidBundle, match=message):
        open_on_cpu(bundles.write(tmp_path, card, model))


def test_second_input_is_refused(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card)
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N"]))

    with pytest.raises(InvalidBundle, match=r"input is image .*, mask .*; expected image"):
        open_on_cpu(bundles.write(tmp_path, card, model))


@pytest.mark.parametrize(
    "outputs",
    [
        {"joints": (1, K, 3)},
        {"keypoints": (1, K - 1, 3)},
        {"keypoints": (1, K, 2)},
        {"keypoints": (1, K * 3)},
        {"keypoints": (1, K, 3), "extra": (1, 1)},
    ],
    ids=["name", "count", "columns", "rank", "one too many"],
)
def test_wrong_output_of_a_keypoint_network_is_refused(bundles, tmp_path, outputs):
    card = bundles.keypoints_card()
    model = constant_model(bundles, card, outputs)

    with pytest.raises(InvalidBundle, match=r"expected keypoints tensor\(float\) \['N', 17, 3\]"):
        open_on_cpu(bundles.write(tmp_path, card, model))


@pytest.mark.parametrize(
    "outputs",
    [
        {"boxes": (1, 5, 4)},
        {"boxes": (1, 5, 5), "scores": (1, 5)},
        {"boxes": (1, 5, 4), "scores": (1, 5, 1)},
    ],
    ids=["no scores", "columns", "rank of scores"],
)
def test_wrong_output_of_a_detector_is_refused(bundles, tmp_path, outputs):
    card = bundles.detector_card()
    model = constant_model(bundles, card, outputs)

    with pytest.raises(InvalidBundle, match=r"expected (boxes|scores)"):
        open_on_cpu(bundles.write(tmp_path, card, model))


def test_other_type_of_output_is_refused(bundles, tmp_path):
    card = bundles.keypoints_card()
    node = helper.make_node("Identity", ["value"], ["keypoints"])
    model = bundles.model(
        card.input,
        [node],
        {"value": np.zeros((1, K, 3), np.float64)},
        {"keypoints": ["N", K, 3]},
        output_type=TensorProto.DOUBLE,
    )

    with pytest.raises(InvalidBundle, match=r"output is keypoints tensor\(double\)"):
        open_on_cpu(bundles.write(tmp_path, card, model))


def test_output_with_open_axes_is_accepted(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card)
    for axis in model.graph.output[0].type.tensor_type.shape.dim:
        axis.Clear()

    assert open_on_cpu(bundles.write(tmp_path, card, model)).card == card


def test_output_of_a_fixed_batch_is_refused(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = constant_model(bundles, card, {"keypoints": (1, K, 3)})

    with pytest.raises(InvalidBundle, match=r"output is keypoints tensor\(float\) \[1, 17, 3\]"):
        open_on_cpu(bundles.write(tmp_path, card, model))


def test_warm_up_finds_a_batch_that_does_not_follow_the_input(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card)
    # Sums over the batch, with an axis that only the run knows.
    nodes = [
        helper.make_node("Cast", ["image"], ["counted"], to=TensorProto.INT64),
        helper.make_node("ReduceMin", ["counted"], ["least"], keepdims=0),
        helper.make_node("Sub", ["least", "least"], ["first"]),
        helper.make_node("Unsqueeze", ["first", "nowhere"], ["batch"]),
        helper.make_node("ReduceSum", ["all", "batch"], ["keypoints"], keepdims=1),
    ]
    model.graph.node[-1].output[0] = "all"
    model.graph.node.extend(nodes)
    model.graph.initializer.append(helper.make_tensor("nowhere", TensorProto.INT64, [1], [0]))

    with pytest.raises(InvalidBundle, match=r"shape \[1, 17, 3\] for 2 pictures"):
        open_on_cpu(bundles.write(tmp_path, card, model)).warm_up()


def test_warm_up_finds_a_network_that_fails(bundles, tmp_path):
    card = bundles.keypoints_card()
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["keypoints"]),
    ]
    # 64 x 48 x 3 values do not fill whole rows of 17 x 3.
    constants = {"shape": np.array([-1, K, 3], np.int64)}
    model = bundles.model(card.input, nodes, constants, {"keypoints": [None, K, 3]})

    with pytest.raises(InvalidBundle, match="fails on 1 test picture"):
        open_on_cpu(bundles.write(tmp_path, card, model)).warm_up()


def test_warm_up_finds_values_that_are_not_finite(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card, joints=[[1.0, 2.0, np.nan]] * K)

    with pytest.raises(InvalidBundle, match="output keypoints is not finite"):
        open_on_cpu(bundles.write(tmp_path, card, model)).warm_up()


def test_warm_up_finds_boxes_and_scores_that_do_not_fit(bundles, tmp_path):
    card = bundles.detector_card()
    model = bundles.detector_model(card)
    nodes = [helper.make_node("Slice", ["all", "from", "to", "second"], ["scores"])]
    model.graph.node[4].output[0] = "all"
    model.graph.node.extend(nodes)
    for name, value in {"from": 0, "to": 1, "second": 1}.items():
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [value]))
    model.graph.output[1].type.tensor_type.shape.dim[1].Clear()

    with pytest.raises(InvalidBundle, match=r"output scores has shape \[1, 1\].*expected \[1, 2\]"):
        open_on_cpu(bundles.write(tmp_path, card, model)).warm_up()


def test_auto_without_a_gpu_runs_on_the_cpu_and_says_so(keypoints_path, capfd):
    session = open_session(keypoints_path, Execution())

    assert session.provider == "CPUExecutionProvider"
    assert capfd.readouterr() == ("", "")


def test_cuda_without_a_gpu_is_unavailable_and_says_why(keypoints_path, capfd):
    with pytest.raises(DeviceUnavailable, match=r"device cuda cannot run .*CUDA"):
        open_session(keypoints_path, Execution(device="cuda"))
    assert capfd.readouterr() == ("", "")


def test_cuda_with_a_build_for_the_cpu_is_unavailable(keypoints_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])

    with pytest.raises(DeviceUnavailable, match="is built without CUDA"):
        open_session(keypoints_path, Execution(device="cuda"))


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_corrupt_file_is_not_blamed_on_the_device(tmp_path, device):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"junk")

    with pytest.raises(InvalidBundle, match="not a network that can be loaded"):
        open_session(path, Execution(device=device))


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_gpu_is_used_where_there_is_one(keypoints_path, device):
    session = open_session(keypoints_path, Execution(device=device))
    session.warm_up()

    assert session.provider == "CUDAExecutionProvider"


@pytest.fixture
def oblong_path(bundles, tmp_path):
    card = bundles.oblong_card()
    return bundles.write(tmp_path, card, bundles.detector_model(card))


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (96, 32)])
def test_network_of_several_sizes_takes_each(oblong_path, size):
    answer = open_on_cpu(oblong_path).run(np.full((2, *size, 3), 255, np.uint8))

    assert answer["boxes"].shape == (2, 2, 4)


@pytest.mark.parametrize("size", [(64, 96), (96, 96)])
def test_network_of_several_sizes_takes_no_others(oblong_path, size):
    expected = "[N, 64, 64, 3] or [N, 32, 96, 3] or [N, 96, 32, 3]"
    with pytest.raises(InvalidInput, match=re.escape(expected)):
        open_on_cpu(oblong_path).run(np.zeros((1, *size, 3), np.uint8))


def test_card_of_several_sizes_wants_open_sides(bundles, tmp_path):
    model = bundles.detector_model(bundles.detector_card())

    with pytest.raises(InvalidBundle, match=r"expected image .*'H', 'W'"):
        open_on_cpu(bundles.write(tmp_path, bundles.oblong_card(), model))


def test_card_of_one_size_wants_fixed_sides(bundles, tmp_path):
    model = bundles.detector_model(bundles.oblong_card())

    with pytest.raises(InvalidBundle, match=r"expected image .* 64, 64"):
        open_on_cpu(bundles.write(tmp_path, bundles.detector_card(), model))


def test_every_size_is_tried_at_the_start(bundles, tmp_path):
    card = bundles.oblong_card()
    model = bundles.detector_model(card)
    # Of the float picture: 32 rows cannot become 64.
    model.graph.node.insert(1, helper.make_node("Reshape", ["float", "rows"], ["square"]))
    model.graph.node[2].input[0] = "square"
    rows = np.array([-1, 64, 64, 3], np.int64)
    model.graph.initializer.append(numpy_helper.from_array(rows, "rows"))

    with pytest.raises(InvalidBundle, match=r"fails on 1 test picture\(s\)"):
        open_on_cpu(bundles.write(tmp_path, card, model)).warm_up()
