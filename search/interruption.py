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
    """Raise Interrupted on the first SIGINT or SIGTERM inside the block, and ignore the ones that follow it.

    Ray's own SIGTERM handler exits at once, and Tune's SIGINT handler returns as if the study had ended: enter this
    after ``ray.init``, with TUNE_DISABLE_SIGINT_HANDLER set.
    """

    def raise_once(signum: int, _frame: FrameType | None) -> None:
        for known in (signal.SIGINT, signal.SIGTERM):
            signal.signal(known, signal.SIG_IGN)
        raise Interrupted(signum)

    before = {signum: signal.signal(signum, raise_once) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
