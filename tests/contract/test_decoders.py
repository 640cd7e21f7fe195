"""The decoders inside the graphs, against slow and plain ones written from their description."""

import numpy as np
import pytest

from service.inference.card import InputSize
from training.codecs import centernet, heatmap, pixelclass, simcc
from training.codecs.config import CenterNetCodec, HeatmapCodec, PixelClassCodec, SimccCodec

STRIDE = 4
HEIGHT, WIDTH = 16, 12


def as_numpy(tensor):
    return np.asarray(tensor, np.float32)


def gaussian_logits(centres, sigma, top):
    """Logits `[1, HEIGHT, WIDTH, K]` of Gaussians around centres `[K, 2]` in crop pixels."""
    xs, ys = np.arange(WIDTH) + 0.5, np.arange(HEIGHT)[:, None] + 0.5
    x, y = (centres / STRIDE).T[:, :, None, None]
    values = top * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2))
    values = np.clip(values, 1e-30, None)
    return np.moveaxis(np.log(values) - np.log1p(-values), 0, -1)[None].astype(np.float32)


def plain_joint(logits):
    """x, y in cells and score of one map `[h, w]`."""
    logs = -np.logaddexp(0, -logits.astype(np.float64))
    row, column = divmod(int(logs.argmax()), logs.shape[1])
    offsets = []
    for line, place in ((logs[row], column), (logs[:, column], row)):
        if place in (0, len(line) - 1):
            offsets.append(0.0)
            continue
        # The vertex of the parabola through three points.
        a, b, _ = np.polyfit([-1, 0, 1], line[place - 1 : place + 2], 2)
        offsets.append(np.clip(-b / (2 * a), -0.5, 0.5) if a < 0 else 0.0)
    return column + 0.5 + offsets[0], row + 0.5 + offsets[1], np.exp(logs.max())


def test_heatmap_decoder_recovers_centres_between_pixels():
    rng = np.random.default_rng(3)
    centres = rng.uniform([STRIDE, STRIDE], [(WIDTH - 1) * STRIDE, (HEIGHT - 1) * STRIDE], (50, 2))

    codec = HeatmapCodec(stride=STRIDE)
    answer = as_numpy(heatmap.decode(gaussian_logits(centres, sigma=2.0, top=0.9), codec))

    assert np.abs(answer[0, :, :2] - centres).max() < 0.1
    assert ((answer[0, :, 2] > 0.8) & (answer[0, :, 2] <= 0.9)).all()


def test_heatmap_decoder_agrees_with_a_plain_one():
    rng = np.random.default_rng(4)
    centres = rng.uniform([0, 0], [WIDTH * STRIDE, HEIGHT * STRIDE], (40, 2))
    logits = gaussian_logits(centres, sigma=1.5, top=0.8) + rng.normal(0, 0.3, (5, 1, 1, 40))

    answer = as_numpy(heatmap.decode(logits.astype(np.float32), HeatmapCodec(stride=STRIDE)))

    expected = [
        [np.multiply(plain_joint(maps[..., k]), (STRIDE, STRIDE, 1)) for k in range(40)]
        for maps in logits
    ]
    np.testing.assert_allclose(answer, expected, atol=1e-3)


def plain_fit(probabilities, sigma):
    """Place in bins and score on one axis: the Gaussian with the largest cosine."""
    bins = np.arange(len(probabilities))
    gaussians = np.exp(-np.square((bins - bins[:, None]) / sigma) / 2)
    gaussians[np.abs(bins - bins[:, None]) > np.ceil(3 * sigma)] = 0
    fits = gaussians @ probabilities / np.linalg.norm(gaussians, axis=1)
    best, offset = int(fits.argmax()), 0.0
    if 0 < best < len(bins) - 1:
        a, b, _ = np.polyfit([-1, 0, 1], np.log(fits[best - 1 : best + 2]), 2)
        offset = np.clip(-b / (2 * a), -0.5, 0.5) if a < 0 else 0.0
    whole = gaussians[len(bins) // 2]
    return best + 0.5 + offset, min(fits[best] / (np.linalg.norm(whole) / whole.sum()), 1)


def test_simcc_decoder_agrees_with_a_plain_one():
    size, codec = InputSize(height=64, width=32), SimccCodec(bins_per_px=2, sigma_px=2)
    logits = np.random.default_rng(6).normal(0, 2, (3, 5, 192)).astype(np.float32)

    answer = as_numpy(simcc.decode(logits, codec, size))

    for picture in range(3):
        for joint in range(5):
            p = [
                np.exp(part) / np.exp(part).sum() for part in np.split(logits[picture, joint], [64])
            ]
            (x, x_score), (y, y_score) = (plain_fit(axis, 4) for axis in p)
            expected = x / 2, y / 2, np.sqrt(x_score * y_score)
            np.testing.assert_allclose(answer[picture, joint], expected, atol=2e-3)


def test_pixelclass_decoder_agrees_with_a_plain_one():
    codec = PixelClassCodec(stride=STRIDE, radius_px=9)
    logits = np.random.default_rng(7).normal(0, 2, (2, HEIGHT, WIDTH, 4)).astype(np.float32)

    answer = as_numpy(pixelclass.decode(logits, codec))

    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    offsets = np.arange(-2, 3)
    whole = (np.hypot(offsets, offsets[:, None]) * STRIDE <= 9).sum()
    for picture in range(2):
        for joint in range(3):
            means = np.array(
                [
                    p[picture, ..., joint][np.hypot(rows - r, columns - c) * STRIDE <= 9].sum()
                    for r, c in np.ndindex(HEIGHT, WIDTH)
                ]
            )
            best = divmod(int(means.argmax()), WIDTH)
            x, y, score = answer[picture, joint]
            assert score == pytest.approx(means.max() / whole, rel=1e-4)
            assert abs(x / STRIDE - best[1] - 0.5) <= 0.5
            assert abs(y / STRIDE - best[0] - 0.5) <= 0.5


def plain_boxes(logits, stride):
    """Boxes and scores of one picture `[h, w, 5]`, best first: a list of cells that are peaks."""
    height, width, _ = logits.shape
    found = []
    for row in range(height):
        for column in range(width):
            around = logits[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2, 0]
            if logits[row, column, 0] < around.max():
                continue
            score = 1 / (1 + np.exp(-logits[row, column, 0]))
            left, top, right, bottom = np.exp(np.minimum(logits[row, column, 1:] + 6, 5)) * stride
            x, y = (column + 0.5) * stride, (row + 0.5) * stride
            box = np.array([x - left, y - top, x + right, y + bottom])
            found.append((score, box.clip(0, np.tile([width * stride, height * stride], 2))))
    return sorted(found, key=lambda entry: -entry[0])


def test_detection_decoder_agrees_with_a_plain_one():
    logits = np.random.default_rng(5).normal(-4, 2, (3, 10, 8, 5)).astype(np.float32)
    codec = CenterNetCodec(stride=8, slots=30)

    boxes, scores = (as_numpy(part) for part in centernet.decode(logits, codec))

    for picture in range(3):
        expected = plain_boxes(logits[picture], 8)
        count = len(expected)
        assert 3 < count < 30
        np.testing.assert_allclose(scores[picture, :count], [s for s, _ in expected], rtol=1e-4)
        np.testing.assert_allclose(boxes[picture, :count], [b for _, b in expected], atol=0.01)
        assert (scores[picture, count:] == 0).all()


@pytest.mark.parametrize("stride", [4, 8])
def test_detection_decoder_recovers_encoded_boxes(stride):
    boxes = np.array(
        [[10.0, 20.0, 60.0, 110.0], [70.0, 5.0, 120.0, 60.0], [80.0, 70.0, 126.0, 127.0]]
    )
    codec = CenterNetCodec(stride=stride, slots=5)
    target = centernet.encode(boxes, np.zeros((0, 4)), codec, InputSize(height=128, width=128))
    heat = np.clip(target[..., :1], 1e-4, 1 - 1e-4)
    distances = np.log(np.clip(target[..., 1:5], 1e-3, None) / stride) - 6
    logits = np.concatenate([np.log(heat / (1 - heat)), distances], axis=-1)[None]

    found, scores = (
        as_numpy(part)[0] for part in centernet.decode(logits.astype(np.float32), codec)
    )

    best = found[scores > 0.9]
    assert len(best) == 3
    apart = np.abs(best[:, None] - boxes).max(axis=-1)
    assert (apart.min(axis=1) < 0.1).all()
    assert sorted(apart.argmin(axis=1)) == [0, 1, 2]
