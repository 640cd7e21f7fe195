"""The flip test: a network's answer averaged with its answer to the mirrored picture."""

import numpy as np
import numpy.typing as npt

from service.inference.card import ModelCard
from service.inference.errors import InvalidInput
from service.inference.session import Answer, Session
from service.inference.types import Floats, Pixels

# Two Gaussians of the usual heatmaps, whose deviation is 1/24 of the crop's width, have one common
# peak if they are nearer than two deviations.
_APART = 1 / 12


class FlipTest:
    """A `Session` that asks a keypoint network twice, for measuring; the service asks once.

    Answers are averaged after decoding, so it works on any exported file. Where the two places of a
    joint are far apart, the one with the higher score counts, as it would in averaged heatmaps: the
    middle between a left and a right knee is neither.

    Args:
        session: of task `keypoints`.

    Raises:
        InvalidInput: the network has another task.
    """

    def __init__(self, session: Session) -> None:
        skeleton = session.card.skeleton
        if skeleton is None:
            raise InvalidInput(f"flip_test: needs a keypoint network, not {session.card.task}")
        self._session = session
        self._order = skeleton.flip_order()

    @property
    def card(self) -> ModelCard:
        return self._session.card

    @property
    def provider(self) -> str:
        return self._session.provider

    def run(self, image: Pixels) -> Answer:
        """Joints of crops `[N, H, W, 3]`: `keypoints` float32 `[N, K, 3]`."""
        straight = self._session.run(image)["keypoints"]
        mirrored = self._session.run(image[:, :, ::-1].copy())["keypoints"][:, self._order]
        # A joint at x in the mirrored crop is at width - x here, and is its partner.
        mirrored[..., 0] = image.shape[2] - mirrored[..., 0]
        return {"keypoints": _combine(straight, mirrored, _APART * image.shape[2])}


def _combine(a: Floats, b: Floats, apart_px: float) -> npt.NDArray[np.float32]:
    """One answer from two, `[N, K, 3]` each."""
    distance = np.linalg.norm(a[..., :2] - b[..., :2], axis=-1, keepdims=True)
    surer = np.where(a[..., 2:] >= b[..., 2:], a[..., :2], b[..., :2])
    mean = (a + b) / 2
    places = np.where(distance > apart_px, surer, mean[..., :2])
    return np.concatenate([places, mean[..., 2:]], axis=-1, dtype=np.float32)
