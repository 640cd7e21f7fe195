import numpy as np
import pytest

from service.inference.errors import InvalidData
from training.config import AugmentConfig, TrainConfig
from training.data.batches import TrainingBatches
from training.recipes import recipe


class Numbers:
    """Samples whose pixels are their index and whose target is their randomness."""

    def __init__(self, count: int, offset: int = 0) -> None:
        self._count, self._offset = count, offset
        self.strengths: list[float] = []

    def __len__(self) -> int:
        return self._count

    def sample(
        self, index: int, rng: np.random.Generator, augment: AugmentConfig | None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert augment is not None
        self.strengths.append(augment.colour)
        value = np.full((1, 1, 1), index + self._offset, np.uint8)
        return value, np.array([rng.random()], np.float32)


def _config(**changes: object) -> TrainConfig:
    start = recipe("mobilenetv2-heatmap")
    return start.model_copy(update={"batch_size": 4, "epoch_samples": 12, "epochs": 4} | changes)


def _seen(batches: TrainingBatches) -> list[int]:
    images = np.concatenate([batches[i][0] for i in range(batches.num_batches)])
    return images.ravel().tolist()


def test_every_pass_takes_each_sample_once() -> None:
    batches = TrainingBatches([(Numbers(12), 1.0)], _config())
    first = _seen(batches)
    batches.epoch = 1
    second = _seen(batches)
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_weights_repeat_a_set() -> None:
    sets = [(Numbers(4), 2.0), (Numbers(8, offset=100), 0.5)]
    seen = _seen(TrainingBatches(sets, _config()))
    assert sorted(seen) == [0, 0, 1, 1, 2, 2, 3, 3, 100, 101, 102, 103]


def test_a_later_start_continues_the_same_row_of_samples() -> None:
    straight = TrainingBatches([(Numbers(10), 1.0)], _config())
    straight.epoch = 1
    assert _seen(straight) != _seen(TrainingBatches([(Numbers(10), 1.0)], _config()))
    resumed = TrainingBatches([(Numbers(10), 1.0)], _config())
    resumed.epoch = 1
    for index in range(straight.num_batches):
        for left, right in zip(straight[index], resumed[index], strict=True):
            np.testing.assert_array_equal(left, right)


def test_the_last_epochs_are_augmented_weakly() -> None:
    numbers = Numbers(12)
    config = _config(weak_fraction=0.25)
    batches = TrainingBatches([(numbers, 1.0)], config)
    batches.epoch = 2
    _seen(batches)
    batches.epoch = 3
    _seen(batches)
    strong, weak = config.augment.colour, config.augment.weak().colour
    assert numbers.strengths == [strong] * 12 + [weak] * 12


def test_no_samples_at_all_is_an_error() -> None:
    with pytest.raises(InvalidData, match=r"data\.train"):
        TrainingBatches([(Numbers(0), 1.0)], _config())
