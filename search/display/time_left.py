"""How long a study will take still."""

import time
from collections.abc import Callable

from search.study.records import StudyRecord, TrialState


class Pace:
    """Estimates the time left from the epochs trained since it first looked.

    Epochs and not trials are the unit: two trials at half of their epochs are one done, and a trial that patience ends
    early makes later ones cheaper in expectation too.
    """

    def __init__(
        self,
        *,
        planned_trials: int,
        epochs: int,
        time_budget_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._planned = planned_trials
        self._epochs = epochs
        self._budget_s = time_budget_s
        self._clock = clock
        self._began = clock()
        self._searching_since: float | None = None
        self._first: tuple[float, int] | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since this session began."""
        return self._clock() - self._began

    def left_s(self, record: StudyRecord) -> float | None:
        """Return the seconds that the planned trials need still, within the time budget; None while unknown.

        The clock starts at the first epoch that is seen: what comes before (starting workers, importing TensorFlow)
        happens once.
        """
        now, trained = self._clock(), record.epochs
        self._searching_since = self._searching_since or now  # the budget does not count the preparation
        if self._first is None and trained:
            self._first = (now, trained)
        budget = None if self._budget_s is None else max(self._budget_s - (now - self._searching_since), 0.0)
        if self._first is None or trained <= self._first[1] or now <= self._first[0]:
            return budget
        pace = (now - self._first[0]) / (trained - self._first[1])
        left = pace * self._epochs_left(record)
        return left if budget is None else min(left, budget)

    def _epochs_left(self, record: StudyRecord) -> float:
        """Return the epochs to come if the trials to come are as long as the finished ones."""
        finished = [len(trial.epochs) for trial in record.trials.values() if trial.state is not TrialState.RUNNING]
        running = [len(trial.epochs) for trial in record.by_state(TrialState.RUNNING)]
        usual = sum(finished) / len(finished) if finished else self._epochs
        to_come = max(self._planned - len(record.trials), 0) * usual
        return to_come + sum(max(usual - trained, 0.5) for trained in running)
