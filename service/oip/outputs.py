"""What models answer, as arrays: of a network as it is, of a pipeline the people, padded."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.inference.session import Session
from service.inference.types import Person, Pixels, Size

Arrays = dict[str, npt.NDArray[np.generic]]
"""Outputs by name; strings are objects."""
# Bounds the memory of one run on the CPU, which gains nothing from more.
_ROWS_PER_RUN = 16


def run_network(session: Session, pixels: Pixels) -> Arrays:
    """Runs a network on any number of pictures, uint8 `[N, H, W, 3]`."""
    starts = range(0, len(pixels), _ROWS_PER_RUN)
    parts = [session.run(pixels[start : start + _ROWS_PER_RUN]) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def people_of(pictures: Sequence[tuple[Size, Sequence[Person]]], joints: int) -> Arrays:
    """The people of N pictures; P is their number in the fullest one, further rows are 0.

    Args:
        pictures: size and people of each, best first.
        joints: K.

    Returns:
        `counts [N]`: people in each; `scores [N, P]`; `boxes [N, P, 4]`: x0, y0, x1, y1;
        `keypoints [N, P, K, 3]`: x, y, score; `sizes [N, 2]`: height, width. All in pixels of the
        upright picture.
    """
    counts = [len(persons) for _, persons in pictures]
    shape = (len(pictures), max(counts))
    scores = np.zeros(shape, np.float32)
    boxes = np.zeros((*shape, 4), np.float32)
    keypoints = np.zeros((*shape, joints, 3), np.float32)
    for row, (_, persons) in enumerate(pictures):
        for column, person in enumerate(persons):
            box = person.box
            scores[row, column] = person.score
            boxes[row, column] = (box.x0, box.y0, box.x1, box.y1)
            keypoints[row, column] = [(joint.x, joint.y, joint.score) for joint in person.keypoints]
    return {
        "counts": np.array(counts, np.int32),
        "scores": scores,
        "boxes": boxes,
        "keypoints": keypoints,
        "sizes": np.array([(size.height, size.width) for size, _ in pictures], np.int32),
    }
