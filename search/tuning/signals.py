"""Ctrl-C and SIGTERM as one exception in the main thread, so that a study ends honestly wherever it is."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

_IMPATIENCE_S = 1.0
# When and which, since the outermost block was entered; blocks within one another know of the same signals.
_told: list[tuple[float, int]] = []
_depth = 0


class Interrupted(BaseException):
    """A request to go, no error; ``exit_status`` is what the shell expects of it (130 for SIGINT, 143 for SIGTERM)."""

    def __init__(self, signum: int) -> None:
        self.signal = signal.Signals(signum).name
        self.exit_status = 128 + signum
        super().__init__(self.signal)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Raise Interrupted on the first SIGINT or SIGTERM inside the block; one within a second of it changes nothing.

    Yields a check that raises if a signal has come: call it now and then, because the handler's exception is lost where
    it is raised in a finalizer, or in a C extension that swallows it.

    Ray's own SIGTERM handler exits at once, and Tune's SIGINT handler returns as if the study had ended: enter this
    after ``ray.init``, with TUNE_DISABLE_SIGINT_HANDLER set. It nests; the innermost block raises.
    """
    global _depth
    if _depth == 0:
        _told.clear()
    told_before = len(_told)

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        # Impatience must not cut short what the first signal set off.
        impatient = bool(_told) and time.monotonic() - _told[-1][0] < _IMPATIENCE_S
        _told.append((time.monotonic(), signum))
        if not impatient:
            raise KeyboardInterrupt  # the one exception that Ray's C++ waits let through

    def check() -> None:
        if len(_told) > told_before:
            raise KeyboardInterrupt

    before = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGINT, signal.SIGTERM)}
    _depth += 1
    try:
        yield check
        check()
    except KeyboardInterrupt:
        raise Interrupted(_told[0][1] if _told else signal.SIGINT) from None
    finally:
        _depth -= 1
        for signum, handler in before.items():
            signal.signal(signum, handler)
