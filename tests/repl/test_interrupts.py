"""Who an interrupt reaches."""

import signal
import threading

import pytest

from rlm_kernel.repl.interrupt import Interrupts


@pytest.fixture
def interrupts(monkeypatch):
    sent = []
    monkeypatch.setattr(signal, "pthread_kill", lambda *args: sent.append(args))
    told = []
    it = Interrupts(told.append)
    it.sent, it.told = sent, told
    with it:
        yield it


def deliver():
    """Do what Python does on this thread when the signal has come."""
    signal.getsignal(signal.SIGINT)(signal.SIGINT, None)


def test_ours_reaches_the_code_of_the_cell(interrupts):
    interrupts.begin()
    assert interrupts.send()
    assert interrupts.sent == [(threading.main_thread().ident, signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        deliver()
    assert interrupts.happened
    assert interrupts.told == [threading.get_ident()]
    interrupts.end()


def test_ours_that_comes_when_the_cell_is_over_reaches_nobody(interrupts):
    interrupts.begin()
    interrupts.send()
    interrupts._code = False  # the cell has just ended
    deliver()
    with pytest.raises(KeyboardInterrupt):  # but the next one is a person's
        deliver()
    interrupts.end()


def test_ours_is_not_sent_where_no_code_runs(interrupts):
    assert not interrupts.send()
    interrupts.begin()
    interrupts.end()
    assert not interrupts.send()
    assert interrupts.sent == []


def test_a_persons_during_our_own_work_is_raised_after_it(interrupts):
    done = []

    def work():
        with interrupts.work():
            deliver()
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]


def test_a_persons_just_before_the_cell_begins_means_the_cell(interrupts):
    with interrupts.work():
        deliver()
        with pytest.raises(KeyboardInterrupt):
            interrupts.begin()
        interrupts.end()
    assert interrupts.happened
    assert interrupts.told == [threading.get_ident()]


def test_the_handler_of_before_comes_back():
    before = signal.getsignal(signal.SIGINT)
    it = Interrupts(lambda thread: None)
    with it, it:
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
