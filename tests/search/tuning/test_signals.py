import signal

import pytest

from search.tuning.signals import Interrupted, interruptible


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_an_exception_with_the_shells_status(signum, status):
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    reached = []
    with pytest.raises(Interrupted) as caught, interruptible():
        signal.raise_signal(signum)
        reached.append("after the signal")
    assert not reached
    assert caught.value.exit_status == status
    assert caught.value.signal == signum.name
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_signals_that_follow_do_not_disturb_the_first_ones_work():
    done = False
    with pytest.raises(Interrupted), interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)
            done = True
    assert done


@pytest.mark.fault("drivers", "a second Ctrl-C", "does not cut short what the first began")
def test_a_second_signal_does_not_cut_short_what_an_outer_block_does_after_the_first():
    done = False
    with pytest.raises(Interrupted), interruptible():
        try:
            with interruptible():
                signal.raise_signal(signal.SIGINT)
        except Interrupted:
            signal.raise_signal(signal.SIGTERM)
            done = True
            raise
    assert done


def test_the_innermost_block_raises_and_the_outer_one_passes_it_on():
    with pytest.raises(Interrupted), interruptible():
        with pytest.raises(Interrupted), interruptible():
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


def test_no_except_exception_on_the_way_can_swallow_it():
    assert not issubclass(Interrupted, Exception)


def test_an_exception_that_a_finalizer_swallowed_is_raised_by_the_next_check_or_at_the_end(monkeypatch):
    class Swallows:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    with pytest.raises(Interrupted) as caught, interruptible():
        del_me = Swallows()
        del del_me
    assert caught.value.signal == "SIGINT"
    reached = []
    with pytest.raises(Interrupted), interruptible() as check:
        del_me = Swallows()
        del del_me
        reached.append("after the swallowed one")
        check()
        reached.append("after the check")
    assert reached == ["after the swallowed one"]
