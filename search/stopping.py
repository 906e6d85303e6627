"""When to end a study before its last trial."""

import time
from typing import Any

from ray.tune import Stopper


class TimeBudget(Stopper):
    """Ends everything ``seconds`` after it was made; None means never. ``spent`` says whether it did."""

    def __init__(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self.spent = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is ended by the clock."""
        return False

    def stop_all(self) -> bool:
        """Say whether the time is up."""
        self.spent = self.spent or (self._deadline is not None and time.monotonic() >= self._deadline)
        return self.spent
