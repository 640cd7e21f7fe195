import keras
import numpy as np
import pytest

from training.codecs import pixelclass
from training.codecs.config import PixelClassCodec

HEIGHT, WIDTH = 64, 48


def _codec(stride: int = 1) -> PixelClassCodec:
    return PixelClassCodec(stride=stride, radius_px=6)


def _logits(points: np.ndarray, codec: PixelClassCodec) -> np.ndarray:
    """Logits `[1, h, w, K + 1]` that are sure of discs around points in crop pixels."""
    stride = codec.stride
    xs = (np.arange(WIDTH // stride) + 0.5) * stride
    ys = (np.arange(HEIGHT // stride)[:, None] + 0.5) * stride
    discs = [(xs - x) ** 2 + (ys - y) ** 2 <= codec.radius_px**2 for x, y in points]
    classes = [*discs, ~np.any(discs, axis=0)]
    return 12 * np.stack(classes, axis=-1)[None].astype(np.float32)


def _decode(logits: np.ndarray, codec: PixelClassCodec) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(logits)
    return keras.ops.convert_to_numpy(pixelclass.decode(tensor, codec))[0]


def _loss(target: np.ndarray, logits: np.ndarray, codec: PixelClassCodec) -> float:
    loss = pixelclass.pixelclass_loss(codec, *logits.shape[1:3])
    return float(loss(target.astype(np.float32)[None], logits))


@pytest.mark.parametrize(("stride", "tolerance_px"), [(1, 0.2), (2, 0.5), (4, 2)])
def test_decoding_finds_the_middle_of_a_disc(stride: int, tolerance_px: float) -> None:
    codec = _codec(stride)
    points = np.random.default_rng(0).uniform((8, 8), (40, 56), (20, 2))
    logits = np.concatenate([_logits(point[None], codec) for point in points])
    tensor = keras.ops.convert_to_tensor(logits)
    found = keras.ops.convert_to_numpy(pixelclass.decode(tensor, codec))
    assert np.hypot(*(found[:, 0, :2] - points).T).max() < tolerance_px
    assert found[:, 0, 2].min() > 0.6


@pytest.mark.parametrize("point", [(0.5, 32), (47.5, 32), (24, 0.5), (24, 63.5), (46, 62)])
def test_a_joint_at_any_border_is_found_near_it(point: tuple[float, float]) -> None:
    found = _decode(_logits(np.array([point]), _codec()), _codec())[0]
    assert np.hypot(*(found[:2] - point)) < 3


def test_the_score_is_the_part_of_the_disc_that_was_found() -> None:
    codec = _codec()
    logits = _logits(np.array([[24.0, 32.0]]), codec)
    assert _decode(logits, codec)[0, 2] > 0.9
    logits[:, :, 24:, 0] = 0
    logits[:, :, 24:, 1] = 12
    assert _decode(logits, codec)[0, 2] == pytest.approx(0.5, abs=0.1)


def test_the_loss_is_lowest_at_the_labelled_place() -> None:
    codec = _codec()
    target = np.array([[24.0, 32.0, 1]])
    places = [np.array([[24.0 + off, 32.0]]) for off in (0, 2, 6)]
    losses = [_loss(target, _logits(place, codec), codec) for place in places]
    assert losses[0] == pytest.approx(0, abs=1e-3)
    assert losses[0] < losses[1] < losses[2]


def test_of_two_joints_a_cell_belongs_to_the_nearer() -> None:
    codec = _codec()
    target = np.array([[20.0, 32.0, 1], [24.0, 32.0, 1]])
    logits = _logits(target[:, :2], codec)
    xs = np.arange(WIDTH) + 0.5
    for joint, cells in ((0, xs > 22), (1, xs < 22)):
        logits[:, :, cells, joint] = 0
    assert _loss(target, logits, codec) == pytest.approx(0, abs=1e-3)
    swapped = logits[..., [1, 0, 2]]
    assert _loss(target, swapped, codec) > 1


def test_no_cell_is_told_that_it_is_not_a_joint_without_a_label() -> None:
    codec = _codec()
    sure_of_the_second = _logits(np.array([[24.0, 32.0], [10.0, 10.0]]), codec)
    target = np.array([[24.0, 32.0, 1], [10.0, 10.0, 0]])
    # Where the unlabelled joint is suspected, background is the best that is left.
    assert _loss(target, sure_of_the_second, codec) < 0.05
    target[1, 2] = 1
    target[1, :2] = 40, 50
    assert _loss(target, sure_of_the_second, codec) > 1
