"""Person centres and box sides on a grid: anchor-free, peaks by max-pooling instead of NMS."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import layers, ops

from service.inference.card import InputSize
from service.inference.types import Floats
from training.codecs.config import CenterNetCodec
from training.replicas import mean_over_replicas

Tensor = Any

CHANNELS = 5
"""Logits per cell: centre, then the distances to the left, top, right and bottom of the box."""

_ALPHA = 0.54
_MIN_SIDE_PX = 4.0
_FOCUS = 2
_PEAK_RELIEF = 4
# The head starts all logits near log(0.01): this offset makes untrained distances about four cells.
_LOG_OFFSET = 6.0
_MAX_LOG_CELLS = 5.0


def encode(boxes: Floats, ignored: Floats, codec: CenterNetCodec, input_size: InputSize) -> Floats:
    """The target of one picture.

    Every person gets an elliptic Gaussian around the cell of the box's centre. Where two overlap, a
    cell belongs to the person with the higher value, in a tie to the smaller one. Boxes with a side
    below four pixels are ignored.

    Args:
        boxes: of people, `[M, 4]`: x0, y0, x1, y1 in input pixels.
        ignored: `[I, 4]`, neither person nor background.
        codec: stride of the grid.
        input_size: of the network, in pixels.

    Returns:
        float32 `[h, w, 6]`: heat (exactly 1 at centres, -1 where ignored), distances from the
        cell's centre to the left, top, right and bottom of the box in input pixels, weight of these
        distances.

    Source: Liu et al. 2020, Training-Time-Friendly Network, sections 3.2 and 3.3.
    """
    stride = codec.stride
    target = np.zeros((input_size.height // stride, input_size.width // stride, 6), np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    small = sides.min(axis=1) < _MIN_SIDE_PX
    for index in np.argsort(-sides.prod(axis=1)):
        if not small[index]:
            _draw_person(target, boxes[index], stride)
    for box in np.concatenate([ignored, boxes[small]]):
        x0, y0 = np.floor(box[:2] / stride).clip(0).astype(int)
        x1, y1 = np.ceil(box[2:] / stride).clip(0).astype(int)
        heat = target[y0:y1, x0:x1, 0]
        heat[heat == 0] = -1
    return target


def _draw_person(target: Floats, box: Floats, stride: int) -> None:
    x0, y0, x1, y1 = box.tolist()
    columns, x, across = _profile(x0, x1, stride, target.shape[1])
    rows, y, down = _profile(y0, y1, stride, target.shape[0])
    y = y[:, None]
    heat = down[:, None] * across
    # Per person log(area), so that large boxes count more, but far less than by their cells.
    weight = heat * (np.log((x1 - x0) * (y1 - y0)) / heat.sum())
    channels = np.broadcast_arrays(heat, x - x0, y - y0, x1 - x, y1 - y, weight)
    person = np.stack(channels, axis=-1).astype(np.float32)
    window = target[rows, columns]
    window[...] = np.where(person[..., :1] >= window[..., :1], person, window)


def _profile(low: float, high: float, stride: int, cells: int) -> tuple[slice, Floats, Floats]:
    """Along one axis: the cells around the box's middle, their centres in pixels, their heat."""
    middle = min(max(int((low + high) / 2 / stride), 0), cells - 1)
    radius = int((high - low) / stride * _ALPHA / 2)
    index = np.arange(max(middle - radius, 0), min(middle + radius + 1, cells))
    heat = np.exp(-np.square((index - middle) / ((2 * radius + 1) / 6)) / 2)
    return slice(index[0], index[-1] + 1), (index + 0.5) * stride, heat


def centernet_loss(codec: CenterNetCodec) -> Callable[[Tensor, Tensor], Tensor]:
    """Focal loss on centres plus generalised IoU loss on boxes.

    Returns:
        `loss(target [N, h, w, 6], logits [N, h, w, 5])` → scalar.

    Source: Zhou et al. 2019, Objects as Points, equation 1; Rezatofighi et al. 2019.
    """

    def loss(target: Tensor, logits: Tensor) -> Tensor:
        weight = target[..., 5]
        boxes = 1 - _generalised_iou(target[..., 1:5], _distances(logits, codec))
        labelled = mean_over_replicas(ops.sum(weight))
        boxes = ops.sum(boxes * weight) / ops.maximum(labelled, 1.0)
        return _focal_loss(target[..., 0], logits[..., 0]) + codec.box_loss_weight * boxes

    return loss


def _focal_loss(heat: Tensor, logits: Tensor) -> Tensor:
    """Per person; cells near a centre count less, those with negative heat not at all."""
    score = ops.sigmoid(logits)
    is_centre = ops.cast(heat >= 1, logits.dtype)
    is_rest = ops.cast(ops.logical_and(heat >= 0, heat < 1), logits.dtype)
    centre = (1 - score) ** _FOCUS * ops.softplus(-logits)
    rest = (1 - heat) ** _PEAK_RELIEF * score**_FOCUS * ops.softplus(logits)
    people = ops.maximum(mean_over_replicas(ops.sum(is_centre)), 1.0)
    return ops.sum(is_centre * centre + is_rest * rest) / people


def _generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Of boxes given by distances `[..., 4]` from the same point."""
    near, far = ops.minimum(a, b), ops.maximum(a, b)
    common = ops.relu(near[..., 0] + near[..., 2]) * ops.relu(near[..., 1] + near[..., 3])
    union = ops.maximum(_area(a) + _area(b) - common, 1e-6)
    hull = ops.maximum(_area(far), 1e-6)
    return common / union - (hull - union) / hull


def _area(sides: Tensor) -> Tensor:
    return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])


def _distances(logits: Tensor, codec: CenterNetCodec) -> Tensor:
    """In input pixels from logits `[..., 5]`; positive, and bounded so that exp stays finite."""
    return ops.exp(ops.minimum(logits[..., 1:] + _LOG_OFFSET, _MAX_LOG_CELLS)) * codec.stride


def decode(logits: Tensor, codec: CenterNetCodec) -> tuple[Tensor, Tensor]:
    """Boxes from logits `[N, h, w, 5]`, best first; a cell counts if no neighbour scores higher.

    h and w may be open within a layer; there must then be `codec.slots` cells at least.

    Returns:
        boxes float32 `[N, P, 4]`: x0, y0, x1, y1 in input pixels, inside the input; scores `[N, P]`
        in 0..1, 0 in empty slots. P is `codec.slots`, or the number of cells if that is smaller.

    Source: Zhou et al. 2019, Objects as Points, section 4.
    """
    _, height, width, _ = ops.shape(logits)
    cells = height * width
    slots = min(codec.slots, cells) if isinstance(cells, int) else codec.slots
    centre = logits[..., :1]
    is_peak = ops.equal(ops.max_pool(centre, 3, strides=1, padding="same"), centre)
    score = ops.where(is_peak, ops.sigmoid(centre), 0.0)
    scores, index = ops.top_k(ops.reshape(score, (-1, cells)), slots)

    distances = ops.reshape(_distances(logits, codec), (-1, cells, 4))
    distances = ops.take_along_axis(distances, ops.expand_dims(index, -1), axis=1)
    x = (ops.cast(index % width, "float32") + 0.5) * codec.stride
    y = (ops.cast(index // width, "float32") + 0.5) * codec.stride
    right, bottom = _pixels(width, codec), _pixels(height, codec)
    corners = [
        ops.clip(x - distances[..., 0], 0.0, right),
        ops.clip(y - distances[..., 1], 0.0, bottom),
        ops.clip(x + distances[..., 2], 0.0, right),
        ops.clip(y + distances[..., 3], 0.0, bottom),
    ]
    return ops.stack(corners, axis=-1), scores


def _pixels(cells: Any, codec: CenterNetCodec) -> Any:
    """The side of the input; a tensor where it is open."""
    side = cells * codec.stride
    return float(side) if isinstance(side, int) else ops.cast(side, "float32")


class Decoder(layers.Layer):
    """`decode` as a layer, which knows the sizes of maps only when it is called."""

    def __init__(self, codec: CenterNetCodec) -> None:
        super().__init__()
        self._codec = codec

    def call(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return decode(logits, self._codec)
