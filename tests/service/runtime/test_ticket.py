import pytest

from service.runtime.ticket import ClientGone, DeadlinePassed, Ticket


def test_ticket_without_deadline_stays_alive():
    ticket = Ticket()

    ticket.check()
    assert ticket.alive
    assert ticket.remaining_s is None


def test_cancelled_ticket_lets_nothing_begin():
    ticket = Ticket()

    ticket.cancel()

    assert not ticket.alive
    with pytest.raises(ClientGone):
        ticket.check()


def test_passed_deadline_lets_nothing_begin_and_names_the_limit():
    ticket = Ticket(1e-9)

    assert not ticket.alive
    assert ticket.remaining_s == 0
    with pytest.raises(DeadlinePassed, match=r"1e-09 s"):
        ticket.check()


def test_whoever_asked_is_called_when_the_client_leaves_and_only_once():
    calls: list[str] = []
    ticket = Ticket()
    ticket.on_cancel(lambda: calls.append("asked before"))

    ticket.cancel()
    ticket.cancel()
    ticket.on_cancel(lambda: calls.append("asked after"))

    assert calls == ["asked before", "asked after"]


@pytest.mark.parametrize("timeout_s", [None, 60])
def test_deadline_can_be_moved_forward_and_not_back(timeout_s):
    ticket = Ticket(timeout_s)

    ticket.hurry(30)
    assert 0 < ticket.remaining_s <= 30

    ticket.hurry(1e-9)
    ticket.hurry(30)
    with pytest.raises(DeadlinePassed, match=r"1e-09 s"):
        ticket.check()
