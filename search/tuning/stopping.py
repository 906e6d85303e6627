"""When to end a study before its last trial: its time is up, or its front has stopped growing."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Stopper

from search.study.front import extended, pareto_front
from search.study.journal import Event
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialState


class Plateau:
    """Whether the last ``window`` complete trials within the bounds raised the hypervolume by ``tolerance`` at most.

    A recorder's listener, begun with what a study holds already: trials of earlier sessions do not count, so that a
    study that goes on gets its chance. A window of 0 never ends anything, nor does a front without any volume (of which
    every member costs more than the reference).
    """

    def __init__(self, record: StudyRecord, objectives: Objectives, *, window: int, tolerance: float) -> None:
        self._objectives, self._window, self._tolerance = objectives, window, tolerance
        self._front = pareto_front(record, objectives)
        self._volumes = [self._front.hypervolume]

    def __call__(self, record: StudyRecord, event: Event) -> None:
        """Take note of a trial that is complete."""
        if event["event"] != "trial_finished" or event["state"] != TrialState.COMPLETE:
            return
        trial = record.trials[event["trial"]]
        if self._objectives.is_feasible(trial.metrics):
            self._front = extended(self._front, [trial], self._objectives)
            self._volumes.append(self._front.hypervolume)

    @property
    def reached(self) -> bool:
        """Whether it is time to end."""
        if not self._window or len(self._volumes) <= self._window or not self._volumes[-1]:
            return False
        return self._volumes[-1] - self._volumes[-1 - self._window] <= self._tolerance


class Ending(Stopper):
    """Ends everything ``seconds`` after it was begun (None: never), or on the plateau; ``reason`` says which it was.

    Tune asks it in every round of its loop, so it is also where ``check`` is called, which may raise.
    """

    def __init__(self, seconds: float | None, plateau: Plateau, *, check: Callable[[], None]) -> None:
        self._seconds, self._plateau, self._check = seconds, plateau, check
        self._deadline: float | None = None
        self.reason = ""

    def begin(self) -> None:
        """Let the time run from now on."""
        self._deadline = None if self._seconds is None else time.monotonic() + self._seconds

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is ended here."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind, see ``Recorder``."""
        return {}

    def stop_all(self) -> bool:
        """Say whether all is over."""
        self._check()
        if not self.reason:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self.reason = "time budget"
            elif self._plateau.reached:
                self.reason = "hypervolume plateau"
        return bool(self.reason)
