from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.inference.errors import InvalidData
from training.config import AugmentConfig, DataConfig, DataSet, TrainConfig
from training.data.batches import TrainingBatches
from training.data.pictures import BrokenPicture
from training.recipes import recipe


class Numbers:
    """Samples whose pixels are their index and whose target is their randomness."""

    def __init__(self, count: int, offset: int = 0, broken: tuple[int, ...] = ()) -> None:
        self._count, self._offset, self._broken = count, offset, broken
        self.strengths: list[float] = []

    def __len__(self) -> int:
        return self._count

    @property
    def num_pictures(self) -> int:
        return self._count

    def sample(
        self, index: int, rng: np.random.Generator, augment: AugmentConfig | None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert augment is not None
        if index in self._broken:
            raise BrokenPicture(Path(f"{index}.jpg"), "cannot be decoded")
        self.strengths.append(augment.colour)
        value = np.full((1, 1, 1), index + self._offset, np.uint8)
        return value, np.array([rng.random()], np.float32)


def _config(weights: tuple[float, ...] = (1.0,), **changes: object) -> TrainConfig:
    sets = tuple(
        DataSet(annotations=Path(f"{name}.json"), images=Path(), weight=weight)
        for name, weight in zip("abc", weights, strict=False)
    )
    data = DataConfig(train=sets, broken_pictures=changes.pop("broken_pictures", "error"))
    defaults = {"batch_size": 4, "epoch_samples": 12, "epochs": 4, "data": data}
    return recipe("mobilenetv2-heatmap").model_copy(update=defaults | changes)


def _seen(batches: TrainingBatches, config: TrainConfig, epoch: int = 0) -> list[int]:
    steps = range(epoch * config.steps_per_epoch, (epoch + 1) * config.steps_per_epoch)
    return np.concatenate([batches.batch(step)[0] for step in steps]).ravel().tolist()


def test_every_pass_takes_each_sample_once() -> None:
    config = _config()
    batches = TrainingBatches([Numbers(12)], config)
    first, second = _seen(batches, config), _seen(batches, config, epoch=1)
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_weights_repeat_a_set_or_take_part_of_it() -> None:
    config = _config((2.0, 0.5))
    batches = TrainingBatches([Numbers(4), Numbers(8, offset=100)], config)
    first, second = _seen(batches, config), _seen(batches, config, epoch=1)
    assert sorted(value for value in first if value < 100) == [0, 0, 1, 1, 2, 2, 3, 3]
    # Each pass takes another half of the second set.
    assert sorted(value for value in first + second if value >= 100) == list(range(100, 108))


def test_a_later_start_continues_the_same_row_of_samples() -> None:
    config = _config()
    straight = TrainingBatches([Numbers(10)], config)
    assert _seen(straight, config) != _seen(straight, config, epoch=1)
    resumed = TrainingBatches([Numbers(10)], config)
    for step in (5, 3, 4):
        for left, right in zip(straight.batch(step), resumed.batch(step), strict=True):
            np.testing.assert_array_equal(left, right)


def test_hosts_that_divide_a_batch_make_only_their_rows() -> None:
    numbers = Numbers(12)
    batches = TrainingBatches([numbers], _config())
    images, targets = batches.batch(2)
    made = len(numbers.strengths)
    upper, lower = batches.batch(2, slice(0, 2)), batches.batch(2, slice(2, 4))
    assert len(numbers.strengths) == 2 * made
    np.testing.assert_array_equal(np.concatenate([upper[0], lower[0]]), images)
    np.testing.assert_array_equal(np.concatenate([upper[1], lower[1]]), targets)


def test_the_last_epochs_are_augmented_weakly() -> None:
    numbers = Numbers(12)
    config = _config(weak_fraction=0.25)
    batches = TrainingBatches([numbers], config)
    _seen(batches, config, epoch=2)
    _seen(batches, config, epoch=3)
    strong, weak = config.augment.colour, config.augment.weak().colour
    assert numbers.strengths == [strong] * 12 + [weak] * 12


def test_each_empty_set_is_named() -> None:
    sets = [Numbers(0), Numbers(4), Numbers(0)]
    with pytest.raises(InvalidData, match=r"data\.train: .*a\.json, c\.json") as caught:
        TrainingBatches(sets, _config((1.0, 1.0, 1.0)))
    assert "b.json" not in str(caught.value)


def test_no_set_at_all_is_an_error() -> None:
    with pytest.raises(InvalidData, match=r"data\.train"):
        TrainingBatches([], _config(()))


def test_a_broken_picture_ends_the_run_with_its_name_and_advice() -> None:
    config = _config()
    batches = TrainingBatches([Numbers(12, broken=(7,))], config)
    with pytest.raises(InvalidData, match=r"7\.jpg.*data\.broken_pictures = skip"):
        _seen(batches, config)


def test_a_skipped_picture_is_replaced_and_nothing_else_changes() -> None:
    config = _config(broken_pictures="skip")
    whole = TrainingBatches([Numbers(12)], config)
    holed = TrainingBatches([Numbers(12, broken=(7,))], config)
    good, seen = _seen(whole, config), _seen(holed, config)
    assert 7 not in seen
    assert [a for a, b in zip(good, seen, strict=True) if a != b] == [7]
    # A resumed run, or one with other threads, takes the same replacement.
    again = TrainingBatches([Numbers(12, broken=(7,))], config)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(again.batch, reversed(range(3))))
    assert [int(value) for images, _ in reversed(made) for value in images.ravel()] == seen


def test_skipped_pictures_are_reported_once_and_at_the_end_of_each_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = _config(broken_pictures="skip", epoch_samples=80)
    batches = TrainingBatches([Numbers(20, broken=(3, 5))], config)
    _seen(batches, config)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2
    assert "3.jpg: cannot be decoded" in min(warnings)
    batches.on_epoch_end()
    summary = capsys.readouterr().err
    assert "2 pictures could not be read so far (first: picture" in summary
    TrainingBatches([Numbers(20)], config).on_epoch_end()
    assert capsys.readouterr().err == ""


def test_too_many_broken_pictures_end_the_run_in_any_case() -> None:
    config = _config((1.0, 1.0), broken_pictures="skip", epoch_samples=120)
    sets = [Numbers(100), Numbers(20, broken=(3, 5, 8))]
    with pytest.raises(InvalidData, match=r"3 of the 20 pictures of b\.json .* more than 10%"):
        _seen(TrainingBatches(sets, config), config)
