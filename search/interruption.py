"""Ctrl-C and SIGTERM as one exception in the main thread, so that a study ends honestly wherever it is."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Interrupted(BaseException):
    """A request to go, no error; ``exit_status`` is what the shell expects of it (130 for SIGINT, 143 for SIGTERM)."""

    def __init__(self, signum: int) -> None:
        self.signal = signal.Signals(signum).name
        self.exit_status = 128 + signum
        super().__init__(self.signal)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted on the first SIGINT or SIGTERM inside the block, and ignore those that follow within it.

    Ray's own SIGTERM handler exits at once, and Tune's SIGINT handler returns as if the study had ended: enter this
    after ``ray.init``, with TUNE_DISABLE_SIGINT_HANDLER set. It nests; the innermost block raises.
    """
    signals: list[int] = []

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        for known in (signal.SIGINT, signal.SIGTERM):
            signal.signal(known, signal.SIG_IGN)
        signals.append(signum)
        raise KeyboardInterrupt  # the one exception that Ray's C++ waits let through

    before = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(signals[0] if signals else signal.SIGINT) from None
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
