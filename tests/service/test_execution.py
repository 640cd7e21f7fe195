import pytest

from service.inference.errors import InvalidInput
from service.inference.execution import Execution


@pytest.mark.parametrize(
    ("max_batch", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (24, (1, 2, 4, 8, 16, 24)),
        (32, (1, 2, 4, 8, 16, 32)),
        (33, (1, 2, 4, 8, 16, 32, 33)),
    ],
)
def test_batch_sizes_are_powers_of_two_up_to_the_largest_batch(max_batch, sizes):
    assert Execution(max_batch=max_batch).batch_sizes == sizes


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, False),
        ({"max_batch": 8, "threads": 4}, False),
        ({"device": "cuda"}, True),
        ({"tensorrt": True}, True),
        ({"cuda_graphs": True}, True),
        ({"gpu_ids": (1,)}, True),
        ({"gpu_ids": (0, 1)}, True),
        ({"device": "cpu", "gpu_ids": (0, 1)}, False),
    ],
)
def test_gpu_is_needed_if_something_of_it_was_asked_for(changes, needed):
    assert Execution(**changes).needs_gpu is needed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gpu_ids": ()}, r"gpu_ids is \[\]; expected different numbers"),
        ({"gpu_ids": (0, 0)}, r"gpu_ids is \[0, 0\]"),
        ({"gpu_ids": (0, -1)}, r"gpu_ids is \[0, -1\]"),
        ({"max_batch": 0}, "max_batch is 0; expected at least 1"),
        ({"device": "cpu", "tensorrt": True}, "tensorrt is on and device is cpu"),
        ({"device": "cpu", "cuda_graphs": True}, "cuda_graphs is on and device is cpu"),
        ({"tensorrt": True, "cuda_graphs": True}, "both on; expected one of them"),
    ],
)
def test_impossible_wishes_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        Execution(**changes)
