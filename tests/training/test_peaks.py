import keras
import numpy as np
import pytest

from training.codecs.peaks import peak


def _peak(maps: np.ndarray, *, quarter: bool = False) -> list[float]:
    tensor = keras.ops.convert_to_tensor(maps[None, ..., None].astype(np.float32))
    return [float(value[0, 0]) for value in peak(tensor, quarter=quarter)]


def _parabola(x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:8, :6] + 0.5
    return 3 - 0.1 * (columns - x) ** 2 - 0.2 * (rows - y) ** 2


def test_a_parabola_is_found_exactly() -> None:
    assert _peak(_parabola(2.7, 4.9))[:2] == pytest.approx([2.7, 4.9], abs=1e-4)


def test_the_value_is_that_of_the_cell() -> None:
    assert _peak(_parabola(2.5, 4.5))[2] == pytest.approx(3)


def test_a_quarter_goes_towards_the_higher_neighbour() -> None:
    assert _peak(_parabola(2.7, 4.3), quarter=True)[:2] == [2.75, 4.25]
    # Between equal neighbours it stays, as SimpleBaseline's sign does.
    assert _peak(_parabola(2.5, 4.5), quarter=True)[:2] == [2.5, 4.5]


@pytest.mark.parametrize("quarter", [True, False])
@pytest.mark.parametrize("corner", [(0, 0), (5, 0), (0, 7), (5, 7)])
def test_in_a_corner_it_stays_in_the_middle_of_the_cell(
    corner: tuple[int, int], quarter: bool
) -> None:
    maps = np.zeros((8, 6))
    maps[corner[1], corner[0]] = 1
    assert _peak(maps, quarter=quarter) == [corner[0] + 0.5, corner[1] + 0.5, 1]


def test_maps_of_different_joints_and_pictures_do_not_mix() -> None:
    maps = np.zeros((2, 4, 4, 3), np.float32)
    places = np.random.default_rng(0).integers(0, 4, (2, 3, 2))
    for n in range(2):
        for k in range(3):
            maps[n, places[n, k, 1], places[n, k, 0], k] = 1
    x, y, _ = peak(keras.ops.convert_to_tensor(maps))
    found = np.stack([np.floor(np.asarray(x)), np.floor(np.asarray(y))], axis=-1)
    np.testing.assert_array_equal(found, places)
