"""How long tests wait for what runs beside them: until it happens, and for ever only if it never does."""

import time
from collections.abc import Callable

# What takes longer hangs. No limit of a test is nearer than this: a busy machine is slow, and fails nothing.
HANGS_S = 1200.0


def wait_until(truth: Callable[[], object], what: str, *, unless: Callable[[], bool] = lambda: False) -> None:
    """Wait for what must become true; an AssertionError says ``what`` it was if it hangs, or if ``unless`` comes."""
    until = time.monotonic() + HANGS_S
    while not truth():
        assert not unless(), f"it ended before: {what}"
        assert time.monotonic() < until, f"waited {HANGS_S} s for: {what}"
        time.sleep(0.05)
