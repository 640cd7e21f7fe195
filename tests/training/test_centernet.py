from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from service.inference.card import InputSize
from training.codecs import centernet
from training.codecs.config import CenterNetCodec

CODEC = CenterNetCodec(stride=8, slots=6)
INPUT = InputSize(height=96, width=128)
GRID = (12, 16)
LOG_OFFSET = 6.0  # part of the format: logits of trained networks depend on it
NOBODY = np.empty((0, 4))


def _encode(boxes: list[list[float]], ignored: list[list[float]] | None = None) -> np.ndarray:
    return centernet.encode(
        np.array(boxes).reshape(-1, 4), np.array(ignored or NOBODY).reshape(-1, 4), CODEC, INPUT
    )


def _logits(target: np.ndarray, certainty: float = 8.0) -> np.ndarray:
    """What a network that knows the target would answer, `[1, h, w, 5]`."""
    logits = np.zeros((1, *target.shape[:2], centernet.CHANNELS), np.float32)
    logits[0, ..., 0] = np.where(target[..., 0] >= 1, certainty, -certainty)
    logits[0, ..., 1:] = np.log(np.maximum(target[..., 1:5], 1) / CODEC.stride) - LOG_OFFSET
    return logits


def _decode(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    boxes, scores = centernet.decode(keras.ops.convert_to_tensor(logits), CODEC)
    return keras.ops.convert_to_numpy(boxes), keras.ops.convert_to_numpy(scores)


def _loss(target: np.ndarray, logits: np.ndarray) -> float:
    return float(centernet.centernet_loss(CODEC)(target[None], logits))


def test_a_person_is_one_at_the_cell_of_its_centre_and_less_around() -> None:
    heat = _encode([[20, 10, 80, 90]])[..., 0]
    assert np.argwhere(heat == 1).tolist() == [[6, 6]]
    assert 0 < heat[7, 6] < 1
    assert heat[0, 0] == 0


def test_the_gaussian_has_the_shape_of_the_box() -> None:
    heat = _encode([[60, 0, 80, 96]])[..., 0]
    rows, columns = np.nonzero(heat)
    assert np.ptp(rows) > np.ptp(columns)


def test_every_cell_of_a_person_leads_to_its_box() -> None:
    box = [20.5, 10.0, 80.0, 90.25]
    target = _encode([box])
    for row, column in np.argwhere(target[..., 5] > 0):
        x, y = (column + 0.5) * 8, (row + 0.5) * 8
        left, top, right, bottom = target[row, column, 1:5]
        np.testing.assert_allclose([x - left, y - top, x + right, y + bottom], box, atol=1e-4)


def test_overlapping_people_keep_their_own_centres() -> None:
    target = _encode([[0, 0, 120, 96], [76, 28, 100, 68]])
    assert np.argwhere(target[..., 0] == 1).tolist() == [[6, 7], [6, 11]]
    np.testing.assert_allclose(target[6, 7, 1:5], [60, 52, 60, 44])
    np.testing.assert_allclose(target[6, 11, 1:5], [16, 24, 8, 16])


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_people_with_one_centre_the_smaller_has_the_cell(order: int) -> None:
    target = _encode([[0, 0, 128, 96], [44, 30, 84, 66]][::order])
    assert np.argwhere(target[..., 0] == 1).tolist() == [[6, 8]]
    np.testing.assert_allclose(target[6, 8, 1:5], [24, 22, 16, 14])


def test_a_large_person_weighs_more_but_far_less_than_by_area() -> None:
    small, large = _encode([[8, 8, 24, 24]]), _encode([[0, 0, 96, 96]])
    ratio = large[..., 5].sum() / small[..., 5].sum()
    assert 1.2 < ratio < 3


def test_ignored_cells_do_not_touch_people() -> None:
    heat = _encode([[20, 10, 80, 90]], [[0, 0, 128, 96]])[..., 0]
    np.testing.assert_array_equal(heat[heat > 0], _encode([[20, 10, 80, 90]])[..., 0][heat > 0])
    assert heat.max() == 1
    assert heat[0, 0] == -1
    assert not (heat == 0).any()


def test_ignoring_is_limited_to_the_box() -> None:
    heat = _encode([], [[16, 8, 30, 24]])[..., 0]
    assert np.argwhere(heat == -1).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert (heat[heat != -1] == 0).all()


def test_people_too_small_to_learn_are_ignored() -> None:
    target = _encode([[50, 50, 53.5, 58]])
    assert target[6, 6, 0] == -1
    assert target[..., 5].sum() == 0


def test_people_at_the_border_are_encoded() -> None:
    target = _encode([[118, 86, 128, 96], [0, 0, 10, 10]])
    assert np.argwhere(target[..., 0] == 1).tolist() == [[0, 0], [11, 15]]


def test_a_picture_without_people_is_background() -> None:
    target = _encode([])
    assert target.shape == (*GRID, 6)
    assert target.dtype == np.float32
    assert not target.any()


def test_decoding_gives_the_encoded_boxes_best_first() -> None:
    people = [[4, 12, 40, 84], [50, 20, 78, 60], [90, 30, 124, 92]]
    target = _encode(people)
    logits = _logits(target)
    for bonus, (x0, y0, x1, y1) in enumerate(people):
        logits[0, int((y0 + y1) / 16), int((x0 + x1) / 16), 0] += bonus
    boxes, scores = _decode(logits)
    assert boxes.shape == (1, 6, 4)
    assert scores.shape == (1, 6)
    np.testing.assert_allclose(boxes[0, :3], people[::-1], atol=1e-2)
    assert scores[0, 2] > 0.99
    assert scores[0, 3] < 0.01
    assert (np.diff(scores[0]) <= 0).all()


def test_a_cell_beside_a_better_one_is_no_person() -> None:
    logits = np.full((1, *GRID, 5), -6, np.float32)
    logits[0, 5, 5, 0], logits[0, 5, 6, 0], logits[0, 5, 8, 0] = 3, 2.9, 2
    _, scores = _decode(logits)
    np.testing.assert_allclose(scores[0, :2], 1 / (1 + np.exp([-3, -2])), rtol=1e-5)
    assert scores[0, 2] < 0.01


def test_boxes_end_at_the_border_of_the_input() -> None:
    boxes, _ = _decode(np.full((1, *GRID, 5), 50, np.float32))
    np.testing.assert_array_equal(boxes[0], np.tile([0, 0, 128, 96], (6, 1)))


def test_a_grid_with_fewer_cells_than_slots_gives_all_cells() -> None:
    boxes, scores = _decode(np.zeros((2, 2, 2, 5), np.float32))
    assert boxes.shape == (2, 4, 4)
    assert scores.shape == (2, 4)


def test_the_loss_of_the_truth_is_small_and_grows_with_every_mistake() -> None:
    target = _encode([[20, 10, 80, 90]], [[96, 0, 128, 40]])
    truth = _logits(target)
    missed, invented, displaced = truth.copy(), truth.copy(), truth.copy()
    missed[0, 6, 6, 0] = -8
    invented[0, 1, 1, 0] = 8
    displaced[..., 1] += 0.5
    best = _loss(target, truth)
    assert best < 0.01
    for mistake in (missed, invented, displaced):
        assert _loss(target, mistake) > best + 0.1


def test_a_false_centre_near_a_person_costs_less_than_one_far_away() -> None:
    target = _encode([[20, 10, 80, 90]])
    near, far = _logits(target), _logits(target)
    near[0, 7, 6, 0] = far[0, 1, 14, 0] = 3
    assert _loss(target, near) < _loss(target, far)


def test_ignored_cells_are_free() -> None:
    target = _encode([[20, 10, 80, 90]], [[96, 0, 128, 40]])
    logits = _logits(target)
    before = _loss(target, logits)
    logits[0, :5, 12:, 0] = 8
    assert _loss(target, logits) == pytest.approx(before, abs=1e-6)


def test_boxes_far_from_the_person_still_get_a_slope() -> None:
    target = _encode([[20, 10, 80, 90]])
    losses = []
    for shrink in (4.0, 2.0, 1.0, 0.0):
        logits = _logits(target)
        logits[..., 1:] -= shrink
        losses.append(_loss(target, logits))
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[1] > 0.01


def test_box_loss_weight_scales_the_box_part() -> None:
    target = _encode([[20, 10, 80, 90]])
    logits = _logits(target)
    logits[..., 1:] -= 1
    losses = [
        float(centernet.centernet_loss(CODEC.model_copy(update={"box_loss_weight": weight}))(
            target[None], logits
        ))
        for weight in (0.0, 1.0, 2.0)
    ]  # fmt: skip
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-3)
    assert losses[1] > losses[0] + 0.1


@pytest.mark.parametrize("value", [-1e4, -60.0, 0.0, 60.0, 1e4])
@pytest.mark.parametrize("people", [[], [[20.0, 10.0, 80.0, 90.0], [0.0, 0.0, 10.0, 10.0]]])
def test_loss_and_slope_are_finite_for_extreme_logits(
    value: float, people: list[list[float]]
) -> None:
    logits = tf.fill((1, *GRID, 5), value)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = centernet.centernet_loss(CODEC)(_encode(people)[None], logits)
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


def test_the_loss_is_per_person() -> None:
    one, two = _encode([[4, 12, 40, 84]]), _encode([[4, 12, 40, 84], [84, 12, 120, 84]])
    unsure = np.zeros((1, *GRID, 5), np.float32)
    unsure[..., 0] = -8
    assert _loss(two, unsure) == pytest.approx(_loss(one, unsure), rel=0.2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # by Keras
def test_the_exported_decoder_agrees_for_every_batch_size(tmp_path: Path) -> None:
    logits = keras.Input((*GRID, 5), name="logits")
    boxes, scores = centernet.decode(keras.layers.Identity()(logits), CODEC)
    network = keras.Model(
        logits,
        {
            "boxes": keras.layers.Identity(name="boxes")(boxes),
            "scores": keras.layers.Identity(name="scores")(scores),
        },
    )
    network(np.zeros((1, *GRID, 5), np.float32))  # Keras does not export what was never called
    path = tmp_path / "decoder.onnx"
    network.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rng = np.random.default_rng(0)
    for count in (1, 3):
        values = rng.normal(-4, 2, (count, *GRID, 5)).astype(np.float32)
        answer = dict(zip(names, session.run(None, {"logits": values}), strict=True))
        expected = _decode(values)
        np.testing.assert_allclose(answer["boxes"], expected[0], atol=1e-3)
        np.testing.assert_allclose(answer["scores"], expected[1], atol=1e-6)
