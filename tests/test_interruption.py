import os
import signal

import pytest

from search.interruption import Interrupted, interruptible


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_an_exception_with_the_shells_status(signum, status):
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted) as caught, interruptible():
        os.kill(os.getpid(), signum)
        signal.pause()
    assert caught.value.exit_status == status
    assert caught.value.signal == signum.name
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_signals_that_follow_do_not_disturb_the_first_ones_work():
    done = False
    with pytest.raises(Interrupted), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            done = True
    assert done


def test_the_innermost_block_raises_and_the_outer_one_passes_it_on():
    with pytest.raises(Interrupted), interruptible():
        with pytest.raises(Interrupted), interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()


def test_no_except_exception_on_the_way_can_swallow_it():
    assert not issubclass(Interrupted, Exception)
