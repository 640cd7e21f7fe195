import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inference.execution import Execution
from service.inference.session import open_session
from service.runtime.batcher import Batcher
from tests.service.conftest import Bundles
from tests.service.runtime.held import (
    BAD,
    PATIENCE_S,
    Held,
    House,
    answers,
    device_threads,
    numbers_of,
    pictures,
    until,
)


def test_a_call_alone_is_run_at_once(build):
    house = build()
    network = house.network(held=False)

    assert numbers_of(network.run(pictures(1, 2))) == [1, 2]
    assert house.log == [("a", [1, 2])]


def test_rows_of_several_requests_share_a_run_and_each_gets_its_own(build):
    house = build()
    network = house.network()

    calls = [house.occupy(network, 1)]
    calls += [house.ask(network, 2, 3), house.ask(network, 4), house.ask(network, 5, 6, 7)]
    house.let_go()

    assert answers(*calls) == [[1], [2, 3], [4], [5, 6, 7]]
    assert house.log == [("a", [1]), ("a", [2, 3, 4, 5, 6, 7])]


def test_network_that_waits_longest_comes_first(build):
    house = build()
    first, second = house.network("a"), house.network("b")

    calls = [house.occupy(first, 1)]
    for network, number in ((second, 2), (first, 3), (second, 4), (first, 5)):
        calls.append(house.ask(network, number))
    house.let_go()

    assert answers(*calls) == [[1], [2], [3], [4], [5]]
    assert house.log == [("a", [1]), ("b", [2, 4]), ("a", [3, 5])]


def test_what_does_not_fit_into_a_batch_is_split(build):
    house = build(max_batch=4)
    network = house.network(held=False)

    assert numbers_of(network.run(pictures(*range(10)))) == list(range(10))
    assert house.log == [("a", [0, 1, 2, 3]), ("a", [4, 5, 6, 7]), ("a", [8, 9])]


def test_batch_is_filled_with_a_part_of_a_call(build):
    house = build(max_batch=4)
    network = house.network()

    calls = [house.occupy(network, 1)]
    calls += [house.ask(network, 2, 3, 4), house.ask(network, 5, 6, 7)]
    house.let_go()

    assert answers(*calls) == [[1], [2, 3, 4], [5, 6, 7]]
    assert house.log == [("a", [1]), ("a", [2, 3, 4, 5]), ("a", [6, 7])]


def test_gpus_work_side_by_side(build):
    house = build(devices=2)
    network = house.network()
    one, two = house.held

    calls = [house.start(network, 1)]
    until(lambda: len(house.log) == 1)
    calls.append(house.start(network, 2))
    # Neither run has ended.
    assert one.begun.acquire(timeout=PATIENCE_S)
    assert two.begun.acquire(timeout=PATIENCE_S)
    house.let_go()

    assert answers(*calls) == [[1], [2]]


def test_parts_of_a_call_on_two_gpus_are_put_together_in_order(build):
    house = build(devices=2, max_batch=4)
    network = house.network()
    one, two = house.held

    call = house.start(network, *range(8))
    assert one.begun.acquire(timeout=PATIENCE_S)
    assert two.begun.acquire(timeout=PATIENCE_S)
    # The later rows are answered first: their GPU is free for another call.
    early, late = (one, two) if one.numbers == [0, 1, 2, 3] else (two, one)
    late.step()
    other = house.start(network, 9)
    assert late.begun.acquire(timeout=PATIENCE_S)
    assert (early.numbers, late.numbers) == ([0, 1, 2, 3], [9])
    house.let_go()
    answers(other)

    assert answers(call) == [list(range(8))]


def test_runs_are_observed_with_their_rows_and_wait(build):
    runs = []
    house = build(observe=lambda rows, wait_s: runs.append((rows, wait_s)))
    network = house.network()

    calls = [house.occupy(network, 1), house.ask(network, 2, 3), house.ask(network, 4)]
    time.sleep(0.02)
    house.let_go()
    answers(*calls)

    assert [rows for rows, _ in runs] == [1, 3]
    assert runs[1][1] >= 0.02


def test_waiting_rows_are_counted(build):
    house = build()
    network = house.network()

    calls = [house.occupy(network, 1), house.ask(network, 2, 3), house.ask(network, 4)]
    waiting = house.batcher.waiting
    house.let_go()
    answers(*calls)

    assert waiting == 3
    assert house.batcher.waiting == 0


@pytest.fixture
def submitted(monkeypatch):
    """What the GPUs' threads were given to do."""
    works = []

    class Counting(ThreadPoolExecutor):
        def submit(self, work, *arguments):
            works.append(work)
            return super().submit(work, *arguments)

    monkeypatch.setattr("service.runtime.batcher.ThreadPoolExecutor", Counting)
    return works


def test_many_callers_leave_no_trail_of_work_to_look_for_work(build, submitted):
    house = build()
    network = house.network()
    submitted.clear()

    calls = [house.occupy(network, 1), *(house.ask(network, number) for number in range(2, 20))]
    house.let_go()

    assert len(answers(*calls)) == 19
    # One for each run.
    assert len(submitted) == 2


def test_every_gpu_warms_up_its_network_in_its_own_thread(build):
    house = build(devices=2)
    replicas = [Held("one", house.log), Held("two", house.log)]

    house.batcher.join(replicas)

    assert house.log == [("one", "pose-gpu-0_0"), ("two", "pose-gpu-1_0")]
    assert not any(thread.daemon for thread in device_threads())


def test_new_network_is_warmed_up_though_others_keep_coming(build, submitted):
    house = build()
    first, second = house.network("a"), house.network("b")

    calls = [house.occupy(first, 1), house.ask(second, 2), house.ask(first, 3)]
    new = Held("new", house.log, held=False)
    joined = house.callers.submit(house.batcher.join, [new])
    until(lambda: new.warm_up in submitted)
    house.let_go()
    answers(*calls, joined)

    assert [name for name, _ in house.log] == ["a", "b", "new", "a"]


def test_network_on_the_cpu_stays_as_it_is(models_dir):
    before = device_threads()
    batcher = Batcher(2, max_batch=4)
    session = open_session(models_dir / "test-keypoints/1/model.onnx", Execution(device="cpu"))

    assert batcher.join([session]) is session
    assert device_threads() <= before
    batcher.close()


def test_networks_that_are_dropped_are_freed(build):
    house = build()
    house.network(held=False).run(pictures(1))
    house.network("b", held=False).run(pictures(2))
    networks = [weakref.ref(replica) for replica in house.held]
    house.held.clear()

    until(lambda: gc.collect() >= 0 and not any(network() for network in networks))


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9)), min_size=1, max_size=12),
    devices=st.integers(1, 3),
    max_batch=st.integers(1, 6),
    held=st.booleans(),
)
def test_whatever_comes_in_whatever_order_gets_its_own_rows(calls, devices, max_batch, held):
    house = House(devices, max_batch=max_batch)
    try:
        networks = {name: house.network(name, held=held) for name in "ab"}
        futures, expected, number = [], [], 0
        for name, rows in calls:
            mine = [(number + row) % BAD for row in range(rows)]
            number += rows
            futures.append(house.callers.submit(networks[name].run, pictures(*mine)))
            expected.append((name, mine))
        house.let_go()
        found = [numbers_of(future.result(PATIENCE_S)) for future in futures]
    finally:
        house.close()

    assert found == [mine for _, mine in expected]
    assert max(len(rows) for _, rows in house.log) <= max_batch
    for name in "ab":
        run = sorted(row for ran, rows in house.log for row in rows if ran == name)
        assert run == sorted(row for asked, rows in expected for row in rows if asked == name)


def test_pictures_of_another_size_wait_for_a_run_of_their_own(build):
    house = build()
    network = house.network(card=Bundles().oblong_card())

    calls = [house.occupy(network, 1, size=(64, 64))]
    for number, size in ((2, (64, 64)), (3, (32, 96)), (4, (64, 64)), (5, (32, 96))):
        calls.append(house.ask(network, number, size=size))
    house.let_go()

    assert answers(*calls) == [[1], [2], [3], [4], [5]]
    assert house.log == [("a", [1]), ("a", [2, 4]), ("a", [3, 5])]
