"""When to end a study before its last trial."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Stopper


class TimeBudget(Stopper):
    """Ends everything ``seconds`` after it was begun; None means never. ``spent`` says whether it did.

    Tune asks it in every round of its loop, so it is also where ``check`` is called, which may raise.
    """

    def __init__(self, seconds: float | None, *, check: Callable[[], None]) -> None:
        self._check = check
        self._seconds = seconds
        self._deadline: float | None = None
        self.spent = False

    def begin(self) -> None:
        """Let the time run from now on."""
        self._deadline = None if self._seconds is None else time.monotonic() + self._seconds

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is ended by the clock."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind, see ``Recorder``."""
        return {}

    def stop_all(self) -> bool:
        """Say whether the time is up."""
        self._check()
        self.spent = self.spent or (self._deadline is not None and time.monotonic() >= self._deadline)
        return self.spent
