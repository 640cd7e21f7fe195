"""Calls that are given up, refused or fail, and what becomes of the others."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service.inference.binding import Binding, Memory
from service.inference.errors import InferenceFailed, InvalidInput, ShuttingDown
from service.inference.providers import start_on_cpu
from service.inference.session import OnnxSession
from service.runtime.batcher import Batcher
from service.runtime.ticket import ClientGone, DeadlinePassed, Ticket
from tests.service.fragile import POISON, fragile_model
from tests.service.runtime.held import (
    BAD,
    CUDA,
    PATIENCE_S,
    answers,
    device_threads,
    numbers_of,
    pictures,
    until,
)


def test_request_whose_client_left_costs_no_run(build):
    house = build()
    network = house.network()
    ticket = Ticket()

    first = house.occupy(network, 1)
    gone = house.ask(network.bound(ticket), 2)
    stays = house.ask(network, 3)
    ticket.cancel()
    house.let_go()

    assert answers(first, stays) == [[1], [3]]
    with pytest.raises(ClientGone):
        gone.result(PATIENCE_S)
    assert house.log == [("a", [1]), ("a", [3])]


def test_request_is_given_up_at_its_deadline_though_the_gpu_is_busy(build):
    house = build()
    network = house.network()

    first = house.occupy(network, 1)
    late = house.ask(network.bound(Ticket(0.05)), 2)

    with pytest.raises(DeadlinePassed):
        late.result(PATIENCE_S)
    assert not first.done()
    house.let_go()
    assert answers(first, house.start(network, 3)) == [[1], [3]]
    assert house.log == [("a", [1]), ("a", [3])]


def test_answer_in_time_is_given(build):
    house = build()
    network = house.network(held=False).bound(Ticket(PATIENCE_S))

    assert numbers_of(network.run(pictures(1))) == [1]


def test_failure_takes_no_other_request_with_it(build):
    house = build()
    network = house.network()

    calls = [house.occupy(network, 1)]
    calls += [house.ask(network, 2, 3), house.ask(network, BAD), house.ask(network, 4)]
    house.let_go()

    assert answers(calls[0], calls[1], calls[3]) == [[1], [2, 3], [4]]
    with pytest.raises(InferenceFailed, match=rf"of \[{BAD}\]"):
        calls[2].result(PATIENCE_S)
    assert house.log[1:] == [
        ("a", [2, 3, BAD, 4]),
        ("a", [2, 3]),
        ("a", [BAD]),
        ("a", [4]),
    ]


def test_failed_call_is_not_tried_again_and_the_next_works(build):
    house = build(max_batch=2)
    network = house.network(held=False)

    with pytest.raises(InferenceFailed):
        network.run(pictures(1, BAD, 3, 4, 5))

    assert numbers_of(network.run(pictures(6))) == [6]
    assert house.log == [("a", [1, BAD]), ("a", [6])]


def test_request_given_up_meanwhile_is_not_run_alone(build):
    house = build()
    network = house.network()
    ticket = Ticket()

    first = house.occupy(network, 1)
    bad = house.ask(network, BAD)
    gone = house.ask(network.bound(ticket), 2)
    house.held[0].step()
    assert house.held[0].begun.acquire(timeout=PATIENCE_S)
    ticket.cancel()
    house.let_go()

    assert answers(first) == [[1]]
    with pytest.raises(InferenceFailed):
        bad.result(PATIENCE_S)
    with pytest.raises(ClientGone):
        gone.result(PATIENCE_S)
    assert house.log == [("a", [1]), ("a", [BAD, 2]), ("a", [BAD])]


def test_bug_in_a_session_reaches_its_caller_and_the_thread_lives_on(build):
    house = build()
    network = house.network(held=False)
    run, house.held[0].run = house.held[0].run, lambda _: 1 / 0

    with pytest.raises(ZeroDivisionError):
        network.run(pictures(1))
    house.held[0].run = run

    assert numbers_of(network.run(pictures(2))) == [2]


def test_array_that_does_not_fit_is_refused_before_it_waits(build):
    house = build()
    network = house.network(held=False)

    with pytest.raises(InvalidInput, match=r"expected uint8 \[N, 64, 48, 3\]"):
        network.run(np.zeros((1, 48, 64, 3), np.uint8))
    assert house.log == []


def test_closing_fails_what_waits_and_ends_the_threads(build):
    before = device_threads()
    house = build(devices=2)
    network = house.network()
    running = [house.start(network, 1)]
    until(lambda: len(house.log) == 1)
    running.append(house.start(network, 2))
    until(lambda: len(house.log) == 2)
    waits = house.ask(network, 3)

    house.batcher.close()
    with pytest.raises(ShuttingDown):
        waits.result(PATIENCE_S)
    house.let_go()

    assert answers(*running) == [[1], [2]]
    assert len(house.log) == 2
    with pytest.raises(ShuttingDown):
        network.run(pictures(4))
    until(lambda: device_threads() <= before)


def test_nothing_joins_a_closed_batcher(build):
    house = build()
    house.batcher.close()

    with pytest.raises(ShuttingDown):
        house.network()


@pytest.fixture
def onnx(bundles, tmp_path):
    """A real network that fails on some pictures, run as on a GPU but on the CPU."""
    card = bundles.keypoints_card()
    session = start_on_cpu(bundles.write(tmp_path, card, fragile_model(bundles, card)), 1)
    binding = Binding(session, Memory("cpu"), [(64, 48, 3)], (1, 2, 4, 8))
    return OnnxSession(card, CUDA, binding.run, (8, 1, 2, 4))


def test_real_network_answers_many_threads_each_its_own(onnx):
    sizes = []
    batcher = Batcher(1, max_batch=8, observe=lambda rows, _: sizes.append(rows))
    network = batcher.join([onnx])

    def ask(x):
        crops = np.zeros((1 + x % 3, 64, 48, 3), np.uint8)
        crops[:, 9, x] = 200
        if x % 10 == 9:
            crops = np.concatenate([crops, POISON[np.newaxis]])
        try:
            return set(network.run(crops)["keypoints"][:, 0, 0].tolist())
        except InferenceFailed:
            return "failed"

    with ThreadPoolExecutor(8) as callers:
        found = list(callers.map(ask, [x for _ in range(5) for x in range(40)]))
    batcher.close()

    assert found == ["failed" if x % 10 == 9 else {x + 0.5} for _ in range(5) for x in range(40)]
    assert max(sizes) > 3
