from collections import Counter

import pytest

from training.data.mixture import Mixture


def take(mixture: Mixture, passes: int) -> list[tuple[int, int]]:
    return [mixture.at(position) for position in range(passes * len(mixture))]


def test_every_pass_takes_each_sample_once_in_another_order() -> None:
    mixture = Mixture([12], [1.0], seed=0)
    row = take(mixture, 2)
    first, second = row[:12], row[12:]
    assert sorted(first) == sorted(second) == [(0, index) for index in range(12)]
    assert first != second


@pytest.mark.parametrize("weights", [(0.4, 1.0, 2.0), (1.0, 0.4, 2.0)])
def test_weights_decide_the_shares_of_the_sets(weights: tuple[float, ...]) -> None:
    mixture = Mixture([50, 100, 25], weights, seed=3)
    row = take(mixture, 2)
    shares = Counter(which_set for which_set, _ in row)
    expected = [2 * count * weight for count, weight in zip((50, 100, 25), weights, strict=True)]
    assert [shares[0], shares[1], shares[2]] == expected
    # Neither first all of one set, nor in the order of the file.
    early = Counter(which_set for which_set, _ in row[: len(row) // 4])
    assert set(early) == {0, 1, 2}


def test_a_small_weight_shows_every_sample_in_time() -> None:
    row = take(Mixture([40, 8], [0.25, 1.0], seed=1), 4)
    seen = Counter(index for which_set, index in row if which_set == 0)
    assert seen == dict.fromkeys(range(40), 1)


def test_a_large_weight_repeats_every_sample_equally() -> None:
    row = take(Mixture([5, 20], [3.0, 1.0], seed=1), 1)
    seen = Counter(index for which_set, index in row if which_set == 0)
    assert seen == dict.fromkeys(range(5), 3)


def test_the_smallest_set_has_a_place_in_each_pass() -> None:
    row = take(Mixture([2, 20], [0.1, 1.0], seed=1), 2)
    assert sorted(index for which_set, index in row if which_set == 0) == [0, 1]


def test_the_same_seed_gives_the_same_row() -> None:
    counts, weights = [30, 20], [0.5, 2.0]
    first = take(Mixture(counts, weights, seed=7), 2)
    assert first == take(Mixture(counts, weights, seed=7), 2)
    assert first != take(Mixture(counts, weights, seed=8), 2)


def test_replacements_are_of_the_same_set_and_known_beforehand() -> None:
    mixture = Mixture([1000, 3], [1.0, 1.0], seed=0)
    for position in range(200):
        which_set, _ = mixture.at(position)
        first, second = (mixture.instead(position, attempt) for attempt in (1, 2))
        assert max(first, second) < (1000, 3)[which_set]
        assert first == Mixture([1000, 3], [1.0, 1.0], seed=0).instead(position, 1)
    replacements = {mixture.instead(position, 1) for position in range(200)}
    assert len(replacements) > 100
